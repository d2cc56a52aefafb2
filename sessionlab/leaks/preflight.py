"""The first visit: can the application be hunted at all, and how long does a visitor have to stay?"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import Sequence
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

LONGEST_STAY = 1.5  # seconds that a visitor waits for what the application does by the clock
MADE_UP = ("text", "file", "date", "color")  # widgets into which the lab writes what no user would


def look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> float:
    """Visit every page once; return how many seconds a visitor should stay. Raises what speaks against a hunt."""
    return run(_look(server, scenario, urls, notes))


async def _look(server, scenario: Scenario, urls: list[str], notes: list[str]) -> float:
    periods: list[float] = []
    for url in list(urls):
        try:
            session = await scenario.enter(url)
        except VisitFailed as failed:
            if reason := await _why_no_session(url, scenario, failed):
                raise reason from failed
            if len(urls) > 1 and not scenario.pages:  # an index or a page of another kind beside the applications
                urls.remove(url)
                notes.append(f"{urlsplit(url).path} was left out: {failed.what}")
                continue
            raise explained(server, failed) from failed
        try:
            filled = await has_content(session)
            await _raise_failures(server, url)
            if not filled:
                empty = nothing_to_look_at(urlsplit(url).path, server.apps)
                if scenario.pages or len(urls) < 2:
                    raise empty
                urls.remove(url)
                notes.append(f"{urlsplit(url).path} was left out: {empty.what}")
                continue
            await _use(server, scenario, session, notes)
            periods += server.probe.ask("GET", "pace")["periods"]
        finally:
            await scenario.close(session)
        await _raise_failures(server, url)
    wanted = [period for period in periods if 0 < period <= LONGEST_STAY]
    if any(period > LONGEST_STAY for period in periods):
        notes.append(f"callbacks with a period over {LONGEST_STAY:g} s may not have run in a visit.")
    return min(LONGEST_STAY, 1.2 * max(wanted)) if wanted else 0.0


async def _raise_failures(server, url: str) -> None:
    """Raise if the application's own code has failed for a visitor; what it has said until now is read first."""
    await asyncio.to_thread(server.read_log)
    if failures := server.log.events("app-failed"):
        raise _fails_again(urlsplit(url).path, server.apps, failures[-1]["detail"] or failures[-1]["error"])


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


async def _use(server, scenario: Scenario, session, notes: list[str]) -> None:
    """Interact step by step, and see which made-up texts the application does not take."""
    if scenario.interact is None:
        return
    seen = len(server.log.lines)

    async def note(step: str) -> None:
        nonlocal seen
        await session.roundtrip()
        lines = await asyncio.to_thread(server.read_log)
        if step.startswith(MADE_UP) and uncaught(lines[seen:]):
            notes.append(f"the application raises when {step} is filled in with a made-up text.")
        seen = len(lines)

    if scenario.interact is use_widgets:
        try:
            await use_widgets(session, note)
        except VisitFailed as failed:
            raise explained(server, failed) from failed
        return
    try:
        await scenario.interact(session)
    except ErrorReply:
        notes.append("the scenario ended early: the application raised, see its errors.")
    except SessionLabError as error:
        raise AppFailed("The scenario does not fit the application.", why=str(error)) from error


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
