"""The first visit: can the application be hunted at all, and how long does a visitor have to stay?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sessionlab.errors import AppFailed, NeedsCredentials, ProbeSilent, ServerGone, SessionLabError, VisitFailed
from sessionlab.hunt.scenario import Scenario, use_widgets

LONGEST_STAY = 1.5  # seconds that a visitor waits for what the application does by the clock
PANEL = re.compile(r"^\s*(?:import|from)\s+(?:panel|holoviews|hvplot|param|lumen|panel_\w+)\b", re.MULTILINE)
BOKEH = re.compile(r"^\s*(?:import|from)\s+bokeh\b", re.MULTILINE)
# what stands in the log before the traceback of something that nobody caught
UNCAUGHT = re.compile(
    r"error handling message|Exception in callback|Uncaught exception|exception was never retrieved"
    r"|raised an exception|failed with (?:the )?following"
)


def framework_of(app, panel_args: Sequence[str] = ()) -> str:
    """``bokeh`` for an application that imports Bokeh and nothing of Panel; else ``panel``."""
    apps = [app] if isinstance(app, str | os.PathLike) else list(app)
    texts = []
    for each in map(Path, map(str, apps)):
        files = sorted(each.glob("*.py")) + sorted(each.glob("*.ipynb")) if each.is_dir() else [each]
        for file in files:
            with contextlib.suppress(OSError):
                text = file.read_text("utf-8", "replace")
                texts.append(text.replace('"', "\n") if file.suffix == ".ipynb" else text)
    plain = bool(texts) and any(map(BOKEH.search, texts)) and not any(map(PANEL.search, texts))
    return "bokeh" if plain and not panel_args else "panel"


def look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> float:
    """Visit every page once; return how many seconds a visitor should stay. Raises what speaks against a hunt."""
    from sessionlab.hunt.phases import run

    return run(_look(server, scenario, urls, notes))


async def _look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> float:
    periods: list[float] = []
    for url in [scenario.url(urls, 0)] if scenario.path else list(urls):
        try:
            session = await scenario.open(url, scenario.headers, scenario.cookies)
        except VisitFailed as failed:
            if reason := await _why_no_session(url, scenario, failed):
                raise reason from failed
            if len(urls) > 1:  # an index or a page of another kind beside the applications
                urls.remove(url)
                notes.append(f"{urlsplit(url).path} was left out: {failed.what}")
                continue
            raise explained(server, failed) from failed
        try:
            await _use(server, scenario, session, notes)
            periods += server.probe.ask("GET", "pace")["periods"]
        finally:
            await scenario.close(session)
        if failures := server.log.events("app-failed"):
            raise AppFailed(
                f"{urlsplit(url).path} fails when it is visited again.",
                why=failures[-1]["detail"] or failures[-1]["error"],
                advice="mend the error that the traceback ends with. A port or file of its own has to be shared "
                "by all sessions.",
            )
    wanted = [period for period in periods if 0 < period <= LONGEST_STAY]
    if any(period > LONGEST_STAY for period in periods):
        notes.append(f"callbacks with a period over {LONGEST_STAY:g} s may not have run in a visit.")
    return min(LONGEST_STAY, 1.2 * max(wanted)) if wanted else 0.0


async def _use(server, scenario: Scenario, session, notes: list[str]) -> None:
    """Interact step by step, and see at which step the application raises."""
    if scenario.interact is None:
        return
    seen, last = len(server.log.lines), "the page"

    async def check(step: str) -> None:
        nonlocal seen, last
        last = step
        await session.roundtrip()
        await asyncio.sleep(0.03)  # the log comes through a pipe
        lines = server.log.lines[seen:]
        seen += len(lines)
        if not (error := uncaught(lines)):
            return
        if step.startswith(("text", "file", "date", "color")):
            notes.append(f"the application raises when {step} is filled in with a made-up text.")
            return
        raise AppFailed(
            f"The application raises when a visitor uses {step}.",
            why=error,
            advice="mend the error, choose other interactions with --scenario, or leave them out with --no-interact.",
        )

    if scenario.interact is use_widgets:
        try:
            await use_widgets(session, check)
        except VisitFailed as failed:
            raise explained(server, failed) from failed
        await asyncio.sleep(0.2)  # for what the last callbacks have still to say
        await check(last)
    else:
        try:
            await scenario.interact(session)
        except SessionLabError as error:
            raise AppFailed("The scenario does not fit the application.", why=str(error)) from error
        await check("what the scenario does")


def uncaught(lines: Sequence[str]) -> str:
    """The traceback of the first error in ``lines`` that nobody caught; else empty."""
    for number, line in enumerate(lines):
        if UNCAUGHT.search(line):
            block = lines[number : number + 80]
            ends = [
                i for i, text in enumerate(block) if re.match(r"\w[\w.]*(Error|Exception|Warning|Interrupt)\b", text)
            ]
            if any("Traceback" in text for text in block):
                return "\n".join(block[: ends[0] + 1] if ends else block[:40])
    return ""


async def _why_no_session(url: str, scenario: Scenario, failed: VisitFailed) -> SessionLabError | None:
    from sessionlab.visit import get_page

    try:
        page = await get_page(url, headers=scenario.headers, cookies=scenario.cookies)
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
            advice="give headers or cookies of a user in a scenario file (--scenario), or hunt without the login.",
        )
    if moved and not page.token:
        return VisitFailed(
            f"{urlsplit(url).path} redirects to {page.url}, which is no application of this server.",
            why=page.shown[:200],
            advice='name the page itself in a scenario file: path = "/…".',
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
