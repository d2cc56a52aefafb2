"""What sessions cost and do: memory, bots, shared widgets, errors, blocks."""

from __future__ import annotations

import asyncio
import contextlib

from sessionlab.checks import reading
from sessionlab.checks.live import Bench, asked, duration, until
from sessionlab.client import get_page
from sessionlab.client.scenario import use_widgets
from sessionlab.errors import VisitFailed
from sessionlab.lifetimes import retained
from sessionlab.raised import Raised, uncaught
from sessionlab.server import Server
from sessionlab.sizes import show_size

HELD = 8  # sessions that are held open at once to weigh one
BOTS = 5
BLOCK = 90  # bytes of an average small object, between 84 and 97 in the applications that were weighed
MANY, FEW = 50, 10  # sessions that should fit into the memory
SHOWN = 3  # errors that are told with their lines
BLOCKED = 10.0  # seconds to wait for a block to end
DEBOUNCE = 0.12  # seconds; Panel waits 0.05 s for more changes before it calls a callback
MADE_UP = ("text", "file", "date", "color")  # widgets into which the lab writes what no user would


async def run(bench: Bench, server: Server) -> None:
    """The checks that visitors make."""
    weight: list[float] = []
    await bench.step(["memory.session", "sessions.bots", "sessions.shared"], lambda: _weigh(bench, server, weight))
    await bench.step(["sessions.bots"], lambda: _bots(bench, server, weight))
    await bench.step(["app.errors", "block.scope"], lambda: _use(bench, server))


# -- memory -------------------------------------------------------------------------------------------------------


async def _weigh(bench: Bench, server: Server, weight: list[float]) -> None:
    bench.tell("weighing sessions")
    for session in await _open(bench, server, 2):  # what is loaded once is loaded now
        await session.close()
    await asked(server.probe.discard_unused)
    before = await asked(server.probe.census, settle=True)
    sessions = await _open(bench, server, HELD)
    try:
        if bench.wants("sessions.shared"):
            await _shared(bench, server)
        after = await asked(server.probe.census, settle=True)
    finally:
        await asyncio.gather(*(session.close() for session in sessions))
    number = max(1, after.sessions - before.sessions)
    growth = after.minus(before)
    weight.append(_weight(growth) / number)
    frames = growth.get("dataframes", 0) / number
    _memory(bench, weight[0], before.rss, frames)
    await asked(server.probe.discard_unused)


def _weight(growth: dict[str, int]) -> float:
    """Bytes that live in what has grown. Resident memory tells less: pages that were free before are used first."""
    small = BLOCK * growth.get("blocks", 0)  # these are in no count of malloc
    return max(growth["heap"] + small if "heap" in growth else growth.get("uss", small), 1e4)


async def _open(bench: Bench, server: Server, number: int) -> list:
    return await asyncio.gather(*(bench.visit(server.url) for _ in range(number)))


def _memory(bench: Bench, each: float, base: float, frames: float) -> None:
    settings = bench.settings
    fits = max(0, int((bench.memory - base) / each))
    measured = (
        f"{show_size(each)} a session, over {show_size(base)} for the process: about {_about(fits)} sessions fit into "
        f"{show_size(bench.memory)}, or {_about(fits / settings.latest)} visits a second that leave at once."
    )
    if frames >= 1:
        measured += f" Each session holds {frames:.2g} DataFrames of its own."
    if fits >= MANY:
        bench.found("memory.session", "pass", measured)
        return
    advice = "load what all sessions read once, with pn.cache or pn.state.as_cached; limit sessions with "
    advice += "sessionlab.harden.SessionLimits; or give the process more memory."
    bench.found("memory.session", "warn" if fits >= FEW else "fail", measured, advice)


def _about(number: float) -> str:
    """Two digits are as much as one measurement tells."""
    return f"{float(f'{number:.2g}'):,g}"


async def _shared(bench: Bench, server: Server) -> None:
    shared = (await asked(server.probe.ask, "GET", "shared"))["shared"]
    if shared:
        bench.found(
            "sessions.shared",
            "fail",
            f"On the pages of several sessions at once: {reading.listed(shared)}.",
            "make widgets in the served script or in a function that runs for each session, not in an imported "
            "module and not in a cache.",
        )
    else:
        bench.found("sessions.shared", "pass", f"{HELD} sessions at once had no object in common.")


async def _bots(bench: Bench, server: Server, weight: list[float]) -> None:
    await asked(server.probe.reset)
    scenario = bench.scenario
    for _ in range(BOTS):
        headers, cookies = await scenario.who(server.url)
        await get_page(server.url, headers=headers, cookies=cookies, timeout=15)
    made = (await asked(server.probe.timeline)).count("created")
    await asked(server.probe.discard_unused)
    settings = bench.settings
    if not made:
        bench.found("sessions.bots", "pass", f"{BOTS} page loads without a websocket made no session.")
        return
    held = retained(1.0, settings.lifetime, settings.check) * made / BOTS
    measured = (
        f"{BOTS} page loads without a websocket made {made} sessions, each kept for {duration(settings.lifetime)} to "
        f"{duration(settings.latest)}. One such load a second holds {held:.0f} sessions"
    )
    needed = held * weight[0] if weight else 0.0
    measured += f", {show_size(needed)}." if weight else "."
    share = needed / bench.memory
    advice = "keep crawlers out with robots.txt and a login, point probes at /liveness, shorten the lifetime, or cap "
    advice += "sessions with sessionlab.harden.SessionLimits."
    status = "pass" if share < 0.25 else "warn" if share < 1 else "fail"
    bench.found("sessions.bots", status, measured, advice if status != "pass" else "")


# -- work ---------------------------------------------------------------------------------------------------------


async def _use(bench: Bench, server: Server) -> None:
    """One visitor uses everything while another looks on, and a third comes during what that has started."""
    bench.tell("using the widgets")
    await asked(server.probe.reset)
    errors: list[tuple[str, Raised]] = []
    first, other = await _open(bench, server, 2)
    sessions = [first, other]
    try:
        interact: object = bench.scenario.interact
        if interact is use_widgets:
            seen = len(server.log.lines)

            async def note(step: str) -> None:
                nonlocal seen
                await asyncio.sleep(DEBOUNCE)
                with contextlib.suppress(VisitFailed):
                    await first.roundtrip()
                lines = (await asked(server.read_log))[seen:]
                if raised := uncaught(lines, apps=server.apps):
                    errors.extend((step, error) for error in raised)
                    seen += len(lines)

            await use_widgets(first, note)
            await asyncio.sleep(0.2)  # for what the last callbacks have still to say
            await note("the widgets")
        elif bench.scenario.interact is not None:
            seen = len(server.log.lines)
            await bench.scenario.interact(first)
            errors += [
                ("the scenario", error) for error in uncaught((await asked(server.read_log))[seen:], apps=server.apps)
            ]
        await _blocks(bench, server, sessions)
    finally:
        await asyncio.gather(*(session.close() for session in sessions))
    _errors(bench, errors)


def _errors(bench: Bench, errors: list[tuple[str, Raised]]) -> None:
    # blocks have a check of their own
    errors = [(step, raised) for step, raised in errors if "mismatched block_expiration" not in raised.error]
    if bench.scenario.interact is None:
        bench.skip(["app.errors"], "Nothing was touched.")
    elif not errors:
        bench.found("app.errors", "pass", "Everything on the page was used once, and nothing raised.")
    else:
        shown = [f"Using {step} {raised}." for step, raised in errors[:SHOWN]]
        shown += [f"{len(errors) - SHOWN} more."] if len(errors) > SHOWN else []
        bench.found(
            "app.errors",
            "warn" if all(step.startswith(MADE_UP) for step, _ in errors) else "fail",
            " ".join(shown),
            "the whole traceback is in the server's log: mend it, or tell the user with a notification.",
        )


async def _blocks(bench: Bench, server: Server, sessions: list) -> None:
    """What blocks have done to whom; ``sessions`` are the one that worked and one that looked on."""
    if not bench.wants("block.scope"):
        return
    places = reading.blocks(bench.sources)
    events = (await asked(server.probe.timeline)).events
    blocked = [e for e in events if e["event"] == "blocked" and e["where"]]
    if blocked and places:
        sessions.append(await bench.visit(server.url))  # a user arrives meanwhile

        def ended():
            return all(s.blocks == 0 for s in server.probe.sessions() if s.id == sessions[0].id)

        await until(ended, min(BLOCKED, bench.left), every=0.2)
        events = (await asked(server.probe.timeline)).events
    strangers = {e["id"] for e in blocked} - {sessions[0].id}
    raised = sum(e["event"] == "unblock failed" for e in events)
    advice = "with sessionlab.harden.block_expiration(): it blocks its own session only, and for a while longer."
    if strangers:
        measured = f"A block at {blocked[0]['where']} held a session of another user as well"
        measured += ", and its end raised “mismatched block_expiration”." if raised else "."
        bench.found("block.scope", "fail", measured, advice)
    elif places:
        measured = f"{reading.listed(places)} acts on every session of the app. The audit's visitor did not get there."
        bench.found("block.scope", "fail", measured, advice)
    elif blocked:
        bench.found("block.scope", "pass", f"The block at {blocked[0]['where']} held its own session only.")
    else:
        bench.found("block.scope", "pass", "Nothing blocks the end of sessions.")
