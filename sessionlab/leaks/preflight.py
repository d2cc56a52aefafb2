"""The first visit: can the application be hunted at all, and at what pace?"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sessionlab.client.content import has_content
from sessionlab.client.scenario import Scenario, use_widgets
from sessionlab.errors import (
    AppFailed,
    ErrorReply,
    NeedsCredentials,
    ProbeSilent,
    ServerGone,
    SessionLabError,
    VisitFailed,
)
from sessionlab.programs import nothing_to_look_at, serves_itself
from sessionlab.raised import uncaught
from sessionlab.sync import run

SAMPLED = 0.25  # seconds in which it is seen how much of the event loop an open page takes
TRIES = 4  # visits to a page that raises: some do so in some visits only
SLOW = 1.0  # seconds that a page, or what a click starts, may take before its visitors come one by one
LONGEST_STAY = 1.5  # seconds that a visitor waits for what the application does by the clock
MADE_UP = ("text", "file", "date", "color")  # widgets into which the lab writes what no user would


@dataclass
class Pace:
    """What one visit costs, the dearest of all pages.

    ``stay`` : seconds that a visitor should stay besides what the interaction takes. ``visit`` : seconds of a whole
    one. ``slowest`` : seconds of its longest answer. ``busy`` : the part of the event loop that an open page takes.
    ``periods`` : seconds until each callback of a page runs.
    """

    stay: float = 0.0
    visit: float = 0.0
    slowest: float = 0.0
    busy: float = 0.0
    periods: list[float] = field(default_factory=list)

    @property
    def slow(self) -> bool:
        """Whether visitors would wait for each other."""
        return self.slowest > SLOW

    @property
    def open_at_once(self) -> int:
        """How many pages may be open: more would take over half of the event loop."""
        return max(1, int(0.5 / self.busy)) if self.busy > 0.02 else 1000

    def to_dict(self) -> dict:
        return {"visit_seconds": round(self.visit, 2), "slowest": round(self.slowest, 2), "busy": round(self.busy, 3)}


def look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> Pace:
    """Visit every page once; return the pace of further visits. Raises what speaks against a hunt."""
    return run(_look(server, scenario, urls, notes))


async def _look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> Pace:
    pace = Pace()
    for url in list(urls):
        for _ in range(TRIES):
            if not (failure := await _visit(server, scenario, url, urls, notes, pace)):
                break
        else:
            raise _fails_again(urlsplit(url).path, server.apps, failure)
    wanted = [period for period in pace.periods if 0 < period <= LONGEST_STAY]
    if any(period > LONGEST_STAY for period in pace.periods):
        notes.append(f"callbacks with a period over {LONGEST_STAY:g} s may not have run in a visit.")
    pace.stay = min(LONGEST_STAY, 1.2 * max(wanted)) if wanted else 0.0
    if pace.slow:
        notes.append(f"an answer takes {pace.slowest:.1f} s of the event loop: the visitors came one by one.")
    if pace.open_at_once < 4:
        notes.append(f"an open page keeps the event loop busy for {pace.busy:.0%} of the time: few were open at once.")
    return pace


async def _visit(server, scenario: Scenario, url: str, urls: list[str], notes: list[str], pace: Pace) -> str:
    """One visit to a page, which may turn out to be none of the application's: then it is left out of ``urls``.

    Returns what the application's own code raised while it built the page; empty if it did not.
    """
    begin, known = time.monotonic(), len(server.log.events("app-failed"))
    alone = len(urls) < 2 or bool(scenario.pages)
    try:
        session = await scenario.enter(url)
    except VisitFailed as failed:
        if reason := await _why_no_session(url, scenario, failed):
            raise reason from failed
        if alone:
            raise explained(server, failed) from failed
        urls.remove(url)  # an index or a page of another kind beside the applications
        notes.append(f"{urlsplit(url).path} was left out: {failed.what}")
        return ""
    try:
        filled = await has_content(session)
        if failure := await _failure(server, known):
            return failure
        if not filled:
            empty = nothing_to_look_at(urlsplit(url).path, server.apps)
            if alone:
                raise empty
            urls.remove(url)
            notes.append(f"{urlsplit(url).path} was left out: {empty.what}")
            return ""
        pace.slowest = max(pace.slowest, _page_seconds(session), await _use(server, scenario, session, notes))
        pace.visit = max(pace.visit, time.monotonic() - begin)
        pace.periods += server.probe.ask("GET", "pace")["periods"]
        pace.busy = max(pace.busy, await _busy(server))
    finally:
        await scenario.close(session)
    return await _failure(server, known)


def _page_seconds(session) -> float:
    return session.timings.page if hasattr(session, "timings") else 0.0  # a scenario's own kind of session


async def _busy(server) -> float:
    """The part of the time in which the event loop's thread works now."""
    first = server.probe.ask("GET", "pace")
    await asyncio.sleep(SAMPLED)
    last = server.probe.ask("GET", "pace")
    return (last["worked"] - first["worked"]) / (last["clock"] - first["clock"])


async def _failure(server, known: int) -> str:
    """What the application's script raised after the first ``known`` failures; all that was said is read first."""
    await asyncio.to_thread(server.read_log)
    failures = server.log.events("app-failed")[known:]
    return failures[-1]["detail"] or failures[-1]["error"] if failures else ""


def _fails_again(route: str, apps: Sequence[str], why: str) -> AppFailed:
    if call := serves_itself(apps):
        return AppFailed(
            f"{route} serves by itself.",
            why=f"{call}, which starts one more server for every visitor. The second visitor's failed:\n{why}",
            advice='let it stand under `if __name__ == "__main__":`, and give the function that makes the page, as '
            f'"{Path(apps[0]).stem}:function"; or mark what the page shows with .servable().',
        )
    return AppFailed(
        f"{route} fails when it is visited again.",
        why=why,
        advice="mend the error that the traceback ends with. A port or file of its own has to be shared "
        "by all sessions.",
    )


async def _use(server, scenario: Scenario, session, notes: list[str]) -> float:
    """Interact step by step, and see which made-up texts the application does not take; the seconds of the longest."""
    if scenario.interact is None:
        return 0.0
    seen, slowest, begin = len(server.log.lines), 0.0, time.monotonic()

    async def note(step: str) -> None:
        nonlocal seen, slowest, begin
        await session.roundtrip()
        slowest, begin = max(slowest, time.monotonic() - begin), time.monotonic()
        lines = await asyncio.to_thread(server.read_log)
        if step.startswith(MADE_UP) and uncaught(lines[seen:]):
            notes.append(f"the application raises when {step} is filled in with a made-up text.")
        seen = len(lines)

    if scenario.interact is use_widgets:
        try:
            await use_widgets(session, note)
        except VisitFailed as failed:
            raise explained(server, failed) from failed
        return slowest
    try:
        await scenario.interact(session)
    except ErrorReply:
        notes.append("the scenario ended early: the application raised, see its errors.")
    except SessionLabError as error:
        raise AppFailed("The scenario does not fit the application.", why=str(error)) from error
    return slowest


async def _why_no_session(url: str, scenario: Scenario, failed: VisitFailed) -> SessionLabError | None:
    from sessionlab.client import get_page

    try:
        headers, cookies = await scenario.who(url)
        page = await get_page(url, headers=headers, cookies=cookies)
    except NeedsCredentials as refused:
        return refused
    except SessionLabError:
        return None
    moved = urlsplit(page.url).path.rstrip("/") != urlsplit(url).path.rstrip("/")
    elsewhere = urlsplit(page.url).hostname != urlsplit(url).hostname
    asks = (
        elsewhere
        or page.status in (401, 403, 407)
        or (moved and (re.search(r"log-?in|sign-?in|auth", urlsplit(page.url).path) or 'type="password"' in page.text))
    )
    if asks:
        return NeedsCredentials(
            f"{urlsplit(url).path} needs credentials.",
            why=f"The page {page.url} answered {page.status}: {page.shown[:200]}",
            advice="say who comes: --login USER:PASSWORD (or --login-file), --header, --cookie; or hunt it without.",
        )
    if moved and not page.token:
        return VisitFailed(
            f"{urlsplit(url).path} redirects to {page.url}, which is no application of this server.",
            why=page.shown[:200],
            advice="name the page itself: --page /….",
        )
    return None


def explained(server, error: BaseException) -> BaseException:
    """Why the server does not answer, if that can be told: it has ended, or its event loop is blocked."""
    silent = isinstance(error, ProbeSilent) or "did not answer" in str(error)
    # a connection breaks a moment before the guard has seen the process end
    if not server.alive or (not silent and server.log.wait_for_event("exit", timeout=1.0)):
        return AppFailed(
            "The server ended during the hunt.",
            why=server.log.tail(25) or str(error),
            advice="look at the last lines for who ended it: sys.exit, os._exit or a crash in the application.",
        )
    if silent:
        where = ""
        if hasattr(signal, "SIGUSR1"):
            with contextlib.suppress(SessionLabError, OSError, TimeoutError):
                server.kill(signal.SIGUSR1)
                server.log.wait_for("most recent call first", timeout=2.0)
                where = server.log.tail(30)
        return AppFailed(
            "The application blocks the server's event loop.",
            why=where or str(error),
            advice="the lines above say where it stands: make that work async, or serve with --num-threads.",
        )
    if isinstance(error, ServerGone):
        return AppFailed("The server does not answer any more.", why=f"{error}\n{server.log.tail(15)}")
    return error
