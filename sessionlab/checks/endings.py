"""How sessions end: destroy hooks, what notifications keep, and SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal

from sessionlab.checks import reading
from sessionlab.checks.live import Bench, asked, duration, until
from sessionlab.errors import SessionLabError
from sessionlab.leaks.hunter import LINGERS
from sessionlab.server import Server

LATE = 600.0  # seconds after which a hook is late
SLOW = 0.5  # seconds of a hook in which the server answers nobody
GRACE = 30.0  # seconds that a server may take to end, as in Kubernetes
HOOKS = ("hooks.run", "hooks.late", "hooks.sigterm")
HARDEN = "sessionlab.harden.on_session_destroyed(fn, *resources): it "


async def run(bench: Bench, server: Server) -> None:
    """End sessions in the ordinary way, then the server by SIGTERM."""
    await bench.step(["hooks.run", "hooks.late", "leak.notifications"], lambda: _ordinary(bench, server))
    await bench.step(["hooks.sigterm"], lambda: _sigterm(bench, server))


async def _hooks_of(server: Server, session) -> list[str]:
    documents = (await asked(server.probe.ask, "GET", "documents"))["documents"]
    return next((doc["hooks"] for doc in documents if doc["id"] == session.id), [])


def _called(server: Server) -> list[str]:
    return [event["hook"] for event in server.log.events("hook-called")]


async def _ordinary(bench: Bench, server: Server) -> None:
    bench.tell("ending sessions")
    await asked(server.probe.discard_unused)
    await asked(server.probe.reset)
    session = await bench.visit(server.url)
    try:
        if bench.scenario.interact is not None and bench.wants("hooks.run"):
            with contextlib.suppress(SessionLabError):  # errors have a check of their own
                await bench.scenario.interact(session)
        hooks = await _hooks_of(server, session)
        await asked(server.probe.ask, "POST", "listen")
    finally:
        await session.close()
    before, lines = len(_called(server)), len(server.log.lines)
    gone = await _gone(bench, server, session)
    if hooks:
        await until(lambda: set(_called(server)[before:]) >= set(hooks), 2.0)
    called = set(_called(server)[before:])
    events = [e for e in (await asked(server.probe.timeline)).events if e["event"].startswith("hook")]
    _run(bench, hooks, called, events, server.log.lines[lines:], gone)
    _late(bench, hooks, events, gone)
    await _notifications(bench, server)


async def _gone(bench: Bench, server: Server, session) -> bool:
    """Whether the session ends, if need be after a while in which a block outlasts its work."""
    for seconds in (*LINGERS, 0.0):
        state = await until(lambda: _discarded(server, session), bench.patience)
        if state != "blocked" or not seconds:
            break
        await asked(server.pass_time, seconds)
    return state == "gone"


def _discarded(server: Server, session) -> str:
    """``gone`` or ``blocked``; empty while it is neither."""
    server.probe.discard_unused()
    rows = [row for row in server.probe.sessions() if row.id == session.id]
    return ("blocked" if rows[0].blocks else "") if rows else "gone"


def _run(bench: Bench, hooks, called, events, lines, gone) -> None:
    registered = reading.hooks(bench.sources)
    failed = {e["callback"]: e["error"] for e in events if e["event"] == "hook failed"}
    for line in lines:  # those of harden are not watched one by one: it logs what fails
        if "on_session_destroyed hook" in line and "failed" in line:
            failed[line.partition("on_session_destroyed hook ")[2].partition(" failed")[0]] = "an error, see the log"
    missing = sorted(set(hooks) - called - failed.keys())
    if not hooks:
        if registered:
            measured = f"{reading.listed(registered)} was reached by no visitor of the audit."
            bench.found("hooks.run", "warn", measured, "visit it by hand, or describe the way with --scenario.")
        else:
            bench.found("hooks.run", "pass", "The app registers no destroy hook.")
    elif not gone:
        bench.found("hooks.run", "skipped", "The session did not end: it is blocked.")
    elif failed:
        name, error = next(iter(failed.items()))
        if re.match(r"NameError|ImportError|an async", error):
            advice = HARDEN + "sees the script's globals and its resources, awaits async functions, and logs failures."
        elif "locals" in error:
            advice = "Bokeh has no session_context.locals: hand over what is needed, or use harden.session_locals()."
        else:
            advice = "mend the error: nobody but the log is told of it, and what the hook should release stays."
        bench.found("hooks.run", "fail", f"{len(failed)} of {len(hooks)} failed: {name}: {error}.", advice)
    elif missing:
        advice = HARDEN + "keeps its hooks until they have run."
        bench.found("hooks.run", "fail", f"{reading.listed(missing)} never ran.", advice)
    else:
        bench.found("hooks.run", "pass", f"{reading.listed(sorted(set(hooks)))} ran to the end.")


def _late(bench: Bench, hooks, events, gone) -> None:
    settings = bench.settings
    slowest = max((e["seconds"] for e in events if "seconds" in e), default=0.0)
    when = f"Hooks run {duration(settings.lifetime)} to {duration(settings.latest)} after their user has left"
    if not hooks:
        bench.found("hooks.late", "pass", "The app registers no destroy hook.")
    elif not gone:
        bench.found("hooks.late", "skipped", "The session did not end: it is blocked.")
    elif slowest > SLOW:
        measured = f"A hook took {slowest:.1f} s, in which the server answered nobody. {when}."
        bench.found("hooks.late", "warn", measured, "do slow work in a thread, or in an async hook of harden.")
    elif settings.latest > LATE:
        advice = "release what is scarce when the connection is lost, or choose a shorter lifetime."
        bench.found("hooks.late", "warn", f"{when}.", advice)
    else:
        bench.found("hooks.late", "pass", f"{when}.")


async def _notifications(bench: Bench, server: Server) -> None:
    held = (await asked(server.probe.ask, "GET", "held"))["held"]
    if held:
        bench.found(
            "leak.notifications",
            "fail",
            f"{held} documents of sessions that have ended are held by panel.io.state.state._views.",
            'give pn.extension a template, such as template="fast", or call sessionlab.harden.reconnect().',
        )
    else:
        bench.found("leak.notifications", "pass", "Panel holds no notification area of a session that has ended.")


async def _sigterm(bench: Bench, server: Server) -> None:
    bench.tell("SIGTERM")
    session = await bench.visit(server.url)
    try:
        hooks = set(await _hooks_of(server, session))
        unloading = set((await asked(server.probe.ask, "POST", "listen"))["unloading"])
        before = len(_called(server))
        server.kill(signal.SIGTERM)
        code = await _exit(server, min(GRACE, bench.left))
    finally:
        await session.close()
    called = set(_called(server)[before:])
    if code is None:
        measured = f"The server still ran {GRACE:g} s after SIGTERM."
        advice = "it will be killed: end threads and tasks, or use sessionlab.harden.drain(grace=25)."
        bench.found("hooks.sigterm", "fail", measured, advice)
    elif not hooks:
        bench.found("hooks.sigterm", "pass", f"The app registers no destroy hook; exit code {code}.")
    elif hooks <= called:
        bench.found("hooks.sigterm", "pass", f"{reading.listed(sorted(hooks))} ran; exit code {code}.")
    elif unloading & called:
        measured = f"{len(hooks - called)} of {len(hooks)} hooks did not run, but on_server_unloaded did."
        bench.found("hooks.sigterm", "warn", measured, "let it release what open sessions hold.")
    else:
        measured = f"With a session open, {len(hooks - called)} of {len(hooks)} hooks did not run; exit code {code}."
        advice = HARDEN + "runs then too; sessionlab.harden.drain() ends in order."
        bench.found("hooks.sigterm", "fail", measured, advice)


async def _exit(server: Server, seconds: float) -> int | None:
    """The exit code of the server's process, or None if it still runs after ``seconds``."""
    try:
        return await asyncio.to_thread(server.wait, max(1.0, seconds))
    except TimeoutError:
        return None
