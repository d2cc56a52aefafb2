"""What survives which outage: in a real browser where there is one, else as the protocol has it.

The page's clock is walked forward, and with it what the server would have done: a session that no page came back to
is discarded when its lifetime is over. So an outage of a minute takes seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from sessionlab.checks.live import Bench, asked, clock, duration, until
from sessionlab.disturb import Outage
from sessionlab.errors import ConnectionRefused, SessionLabError, VisitFailed
from sessionlab.lifetimes import ATTEMPTS, next_attempt
from sessionlab.server import Server

OUTAGES = {"a moment": 0.0, "10 s": 10.0, "60 s": 60.0}
RESTART = "a restart of the server"
PATIENCE = 15  # seconds, of the page's clock, that a page may take to come back after the outage
OFTEN = 10.0  # seconds of an outage that a page which tries often is not walked through, but jumps
CLICKED = 5.0  # seconds in which the attempt after a click is answered
CHECKS = ("reconnect.outages", "reconnect.told", "reconnect.arrays")
LIFETIME, CHECK = "--unused-session-lifetime", "--check-unused-sessions"
TOKENS = (5, 40)  # seconds that a token is good for while its age is tested; the second when pages come slowly
VISIT = 8 * 3600  # seconds that people leave a page open
LOST = re.compile(r"\b(new|lost|ended|gone|anew|fresh|over|restarted|expired|reload)\b", re.IGNORECASE)
SPOKEN = "[...document.querySelectorAll('[role=status]')].map(e => e.textContent.trim()).filter(Boolean).join(' ')"
ADVICE = "a lifetime beyond the attempt that follows your outage, and sessionlab.harden.reconnect(), which tries often"


@dataclass(frozen=True)
class Outcome:
    """How one outage ended: ``what`` is resumed, restarted, refused, asks (for a click, in vain) or dead.

    ``clicked``: only after the user's click. ``told`` is what the page said then. ``broken``: array data was lost.
    """

    what: str
    clicked: bool = False
    told: str = ""
    broken: bool = False

    def __str__(self) -> str:
        if self.what in ("asks", "dead"):
            return "the page asks for a click in vain" if self.what == "asks" else "the page stays dead"
        return f"{self.what} after a click" if self.clicked else self.what


def reconnects(bench: Bench) -> bool:
    return bool(bench.page["tries"] or bench.page["prompts"] or bench.page["hardened"])


async def run(bench: Bench, browser) -> None:
    """Every outage on a server of its own. ``browser`` is None where there is none."""
    if not bench.wants(*CHECKS):
        return
    if not reconnects(bench):
        bench.skip(CHECKS, "The page does not reconnect.")
        return
    if browser is None and bench.page["hardened"]:
        bench.skip(CHECKS, "harden.reconnect works in the page: this takes a browser, and there is none.")
        return
    bench.tell("outages")
    flags = bench.flags.without(LIFETIME, CHECK)
    try:
        # what the real clock takes here is not what is measured
        server = await asked(bench.serve, flags=flags, lifetime=3600, check=3600)
    except SessionLabError as error:
        bench.skip(CHECKS, error.what)
        return
    outcomes, reason = {}, ""
    with server:
        try:
            async with asyncio.timeout(max(1.0, bench.left)):
                way = _Page if browser else _Protocol
                for name, seconds in OUTAGES.items():
                    outcomes[name] = await way(bench, server, browser).outage(seconds)
                outcomes[RESTART] = await way(bench, server, browser).restart()
        except TimeoutError:
            reason = "There was no answer in time."
        except SessionLabError as error:
            reason = error.what
    if len(outcomes) < len(OUTAGES):  # without them there is nothing to say
        bench.skip(CHECKS, reason)
    else:
        _judge(bench, outcomes, "in Chromium" if browser else "by the protocol, without a browser")


def _judge(bench: Bench, outcomes: dict[str, Outcome], how: str) -> None:
    told = "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())
    measured = f"Measured {how}. {told[:1].upper()}{told[1:]}."
    short = outcomes["a moment"], outcomes["10 s"]
    if any(outcome.what != "resumed" for outcome in short):
        bench.found("reconnect.outages", "fail", measured, f"{ADVICE}.")
    elif outcomes["60 s"].what != "resumed":
        bench.found("reconnect.outages", "warn", measured, f"{ADVICE}. Keep what must not be lost outside the session.")
    else:
        bench.found("reconnect.outages", "pass", measured)
    _told(bench, [outcome for outcome in outcomes.values() if outcome.what == "restarted"], how)
    if any(outcome.broken for outcome in outcomes.values()):
        advice = "sessionlab.harden.reconnect(), or plain lists in place of arrays. Bokeh 3.10 has mended this."
        bench.found("reconnect.arrays", "fail", "After a reconnect the page could not read its array data.", advice)
    else:
        bench.found("reconnect.arrays", "pass", "The page read its data again after each reconnect.")


def _told(bench: Bench, restarted: list[Outcome], how: str) -> None:
    if not restarted:
        bench.found("reconnect.told", "pass", "No session was lost in these outages.")
    elif how != "in Chromium":
        bench.skip(["reconnect.told"], "What a page says takes a browser.")
    elif silent := [outcome.told for outcome in restarted if not LOST.search(outcome.told)]:
        words = f"said “{silent[0][:120]}”" if silent[0] else "said nothing"
        advice = "sessionlab.harden.reconnect() tells resumed from restarted; recover_inputs(...) brings inputs back."
        bench.found("reconnect.told", "warn", f"The session was lost, and the page {words}.", advice)
    else:
        bench.found("reconnect.told", "pass", f"The page said “{restarted[0].told[:160]}”.")


# -- one outage ---------------------------------------------------------------------------------------------------


class _Page:
    """A tab whose wire is cut, on its own clock."""

    def __init__(self, bench: Bench, server: Server, browser):
        self.bench, self.server, self.browser = bench, server, browser
        self.next = 0  # event of the timeline

    @contextlib.asynccontextmanager
    async def _opened(self):
        with Outage(self.server) as wire:
            tab = await self.browser.open(wire.url, clock=True)
            try:
                sessions = [s for s in await asked(self.server.probe.sessions) if s.connections]
                if not sessions:
                    raise VisitFailed("The page opened no websocket.")
                yield wire, tab, sessions[-1].id
            finally:
                await tab.close()

    async def outage(self, seconds: float, lifetime: float | None = None) -> Outcome:
        lifetime = self.bench.settings.lifetime if lifetime is None else lifetime
        async with self._opened() as (wire, tab, session):
            self.next = (await asked(self.server.probe.timeline)).next
            toasts = len(tab.toasts)
            await self._cut(tab, session, wire.refuse if seconds else wire.cut)
            elapsed, gone, clicked, what = 0.0, False, False, ""
            last = max(seconds, ATTEMPTS[-1]) + PATIENCE
            while elapsed < last and not (what := await self._outcome(session)):
                if elapsed >= seconds:
                    wire.restore()
                if elapsed >= lifetime and not gone:
                    gone = True
                    with contextlib.suppress(SessionLabError):  # it may have ended by itself
                        await asked(self.server.probe.end, session)
                elapsed += await self._walk(tab, seconds - elapsed)
            if not what and await self._click(tab):
                clicked = True
                what = await until(lambda: self._what(session), CLICKED)
            return await self._ended(tab, toasts, what, clicked)

    async def _cut(self, tab, session: str, cut: Callable[[], None]) -> None:
        """Cut the wire of a page whose clock stands still, and wait until the server has noticed."""
        now = await tab.page.evaluate("Date.now()")
        await tab.page.clock.pause_at(now / 1000 + 0.5)
        cut()
        await until(lambda: self._event("disconnected", session), self.bench.patience)

    async def _walk(self, tab, left: float) -> float:
        """Let time pass for the page; returns the seconds. ``left`` are those until the end of the outage."""
        if self.bench.page["hardened"] and left > OFTEN:
            # It tries so often that Chromium, after some failures, holds each attempt back for seconds of real time.
            await tab.page.clock.fast_forward(round(1000 * (left - 1)))
            return left - 1
        await tab.fast_forward(1)
        return 1

    async def restart(self) -> Outcome:
        """The server is ended and started again on its port, as a deployment does."""
        async with self._opened() as (wire, tab, session):
            toasts = len(tab.toasts)
            await self._cut(tab, session, wire.cut)
            await asked(self.server.restart)
            await asked(self.server.probe.extend, "audited")
            self.next, clicked, what = 0, False, ""
            for _ in range(round(ATTEMPTS[-1]) + PATIENCE):
                if what := await self._outcome(session):
                    break
                await tab.fast_forward(1)
            if not what and await self._click(tab):
                clicked = True
                what = await until(lambda: self._what(session), CLICKED)
            return await self._ended(tab, toasts, what, clicked)

    async def _ended(self, tab, toasts: int, what: str, clicked: bool) -> Outcome:
        if not what:
            what = "asks" if clicked else "dead"
        await tab.settle()
        await tab.fast_forward(0.5)
        told = [toast.text for toast in tab.toasts[toasts:] if toast.what != "gone"]
        spoken = await tab.page.evaluate(SPOKEN)
        broken = any("repull" in message.text for message in (*tab.console, *tab.errors))
        return Outcome(what, clicked, spoken or (told[-1] if told else ""), broken)

    async def _click(self, tab) -> bool:
        if not await tab.page.locator(".notyf__toast").count():
            return False
        try:
            await tab.click_toast()
        except VisitFailed:
            return False
        await tab.fast_forward(1)
        return True

    async def _outcome(self, session: str) -> str:
        return await asked(self._what, session)

    def _what(self, session: str) -> str:
        for event in self.server.probe.timeline(since=self.next).events:
            if event.get("id") == session and event["event"] == "reconnected":
                return event["outcome"]
        return ""

    def _event(self, name: str, session: str) -> bool:
        events = self.server.probe.timeline(since=self.next).events
        return any(event["event"] == name and event.get("id") == session for event in events)


class _Protocol:
    """What BokehJS would do, without it: the attempts come when they come, and find what they find."""

    def __init__(self, bench: Bench, server: Server, browser):
        self.bench, self.server = bench, server

    async def outage(self, seconds: float, lifetime: float | None = None) -> Outcome:
        lifetime = self.bench.settings.lifetime if lifetime is None else lifetime
        session = await self.bench.visit(self.server.url)
        try:
            await session.drop()
            await until(lambda: _has_left(self.server, session), self.bench.patience)
            at, clicked = next_attempt(seconds), bool(self.bench.page["prompts"]) or seconds > 30
            if at >= lifetime:
                with contextlib.suppress(SessionLabError):
                    await asked(self.server.probe.end, session.id)
            return await self._again(session, clicked)
        finally:
            await session.close()

    async def restart(self) -> Outcome:
        session = await self.bench.visit(self.server.url)
        try:
            await asked(self.server.restart)
            return await self._again(session, bool(self.bench.page["prompts"]))
        finally:
            await session.close()

    async def _again(self, session, clicked: bool) -> Outcome:
        seen = (await asked(self.server.probe.timeline)).next
        try:
            await session.reconnect()
        except ConnectionRefused:
            return Outcome("refused", clicked)
        events = (await asked(self.server.probe.timeline, seen)).events
        what = next((e["outcome"] for e in events if e["event"] == "reconnected"), "resumed")
        return Outcome(what, clicked)


def _has_left(server: Server, session) -> bool:
    return all(row.id != session.id or not row.connections for row in server.probe.sessions())


# -- the age of the token -----------------------------------------------------------------------------------------


async def token(bench: Bench, browser) -> None:
    """Let a page grow older than its token, and blink."""
    if not bench.wants("reconnect.token"):
        return
    if not reconnects(bench):
        bench.skip(["reconnect.token"], "The page does not reconnect.")
        return
    if browser is None and bench.page["hardened"]:
        bench.skip(["reconnect.token"], "harden.reconnect works in the page: this takes a browser, and there is none.")
        return
    await bench.step(["reconnect.token"], lambda: _aged(bench, browser), seconds=bench.left)


async def _aged(bench: Bench, browser) -> None:
    """A page is loaded with a token that is good for a few seconds; then the wire blinks."""
    for lasts in TOKENS:
        flags = bench.flags.without(LIFETIME, CHECK, "--session-token-expiration")
        server = await asked(bench.serve, flags=flags, lifetime=3600, check=3600, token_expiration=lasts)
        with server:
            try:
                what = await (_old_page(bench, server, browser, lasts) if browser else _old_protocol(bench, server))
                break
            except (VisitFailed, ConnectionRefused):  # the token was too old when the websocket came
                if lasts == TOKENS[-1]:
                    raise
    expires = bench.settings.token_expiration
    tokens = f"Tokens last {duration(expires)} (--session-token-expiration)"
    if what == "resumed":
        bench.found("reconnect.token", "pass", f"{tokens}; a page older than its token was let back in.")
        return
    measured = f"{tokens}. A page older than its token was refused, though its session lived."
    if expires >= VISIT:
        bench.found("reconnect.token", "pass", measured)
        return
    advice = "--session-token-expiration 86400: longer than people leave a page open. Or sessionlab.harden.reconnect()."
    bench.found("reconnect.token", "warn" if expires >= 3600 else "fail", measured, advice)


async def _old_page(bench: Bench, server: Server, browser, lasts: float) -> str:
    page = _Page(bench, server, browser)
    async with page._opened() as (wire, tab, session):
        await clock(time.time() + lasts + 1)  # tokens know whole seconds
        page.next = (await asked(server.probe.timeline)).next
        await page._cut(tab, session, wire.cut)
        what = ""
        for _ in range(round(ATTEMPTS[-1]) + PATIENCE):
            if what := await page._outcome(session):
                break
            await tab.fast_forward(1)
        if not what and await page._click(tab):
            what = await until(lambda: page._what(session), CLICKED)
        return what or "refused"


async def _old_protocol(bench: Bench, server: Server) -> str:
    session = await bench.visit(server.url)
    try:
        await clock(session.page.token_expires + 1)
        await session.drop()
        await until(lambda: _has_left(server, session), bench.patience)
        try:
            await session.reconnect()
        except ConnectionRefused:
            return "refused"
        return "resumed"
    finally:
        await session.close()
