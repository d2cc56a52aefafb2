"""Exercises of chapter 06: what grows, and is it a leak."""

from __future__ import annotations

import asyncio
import inspect
import random
import runpy
import tempfile
import traceback
from pathlib import Path

from sessionlab.course.exercises.attempt import START, Attempt, constant, see
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.course.exercises.verdict import NotYet
from sessionlab.leaks import hunt

VISITS = 8
HUNTED = 40  # sessions

APP = """
from collections import deque
import panel as pn

class Report:
    pass

report = Report()
kept = pn.state.cache.setdefault("{kind}", {container})
{keep}
pn.pane.Markdown("A report.").servable()
"""
# what the app does with its report -> whether that is a leak
KINDS = {
    "the app that leaks": ("[]", "kept.append(report)", True),
    "the tidy one": ("[]", "", False),
    "the cache of ten": ("deque(maxlen=10)", "kept.append(report)", False),
}
WORDS = {True: "leak", False: "no leak"}


async def holder(attempt: Attempt) -> None:
    named = constant(attempt, "HOLDER")
    async with attempt.serve() as app:
        attempt.say("counting what every container holds")
        await app.ask(app.server.probe.mark_containers)
        for _ in range(VISITS):
            async with app.visit():
                pass
        await app.ask(app.server.probe.discard_unused)
        rows = [r for r in await app.ask(app.server.probe.containers) if r.owner.startswith("cache.book.")]
    grew = {row.owner.rpartition(".")[2]: row.grew for row in rows}
    attempt.require(
        max(grew.values(), default=0) >= VISITS,
        "something grows with every visit",
        "Nothing grows any more: in this exercise the leak is to be named, not mended.",
        f"after {VISITS} visits: {grew or 'no growth'}",
    )
    attempt.require(
        grew.get(named, 0) >= VISITS,
        f"it is {named!r}",
        f"{named!r} is not the name of the container that leaks.",
        f"{VISITS} sessions came and went; {named!r} grew by {grew.get(named, 0)}",
    )


async def detector(attempt: Attempt) -> None:
    leaks = await asyncio.to_thread(_function, attempt, "leaks")
    kinds = [*KINDS, *KINDS]  # an answer that changes from one time to the next is not found out by one question
    random.shuffle(kinds)  # neither name nor order tells them apart
    with tempfile.TemporaryDirectory() as folder:
        apps = []
        for number, kind in enumerate(kinds, 1):
            container, keep, _ = KINDS[kind]
            apps.append(Path(folder, f"app_{number}.py"))
            apps[-1].write_text(APP.format(kind=kind, container=container, keep=keep))
        async with attempt.serve(apps=apps) as app:
            await app.ask(app.server.probe.freeze)  # what is there need not be gone through for each of the answers
            found: dict[str, set] = {kind: set() for kind in KINDS}
            for number, (kind, path) in enumerate(zip(kinds, apps, strict=True), 1):
                attempt.say(f"asking your detector about app {number} of {len(apps)}")
                found[kind].add(await _answer(leaks, app.server.urls["/" + path.stem], app.server.probe))
    said = "; ".join(f"{kind}: {' and '.join(WORDS[answer] for answer in sorted(found[kind]))}" for kind in KINDS)
    for kind, (_, _, leaky) in KINDS.items():
        right, wrong = f"{kind} is told", f"Your detector is wrong about {kind}."
        attempt.require(found[kind] == {leaky}, right, wrong, f"it says: {said}")


async def desk(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as anna, app.visit() as ben:
        attempt.say("one page changes the temperature and writes a report, another looks on")
        await anna.set("Temperature", value=31)
        attempt.require(
            await see(ben, "Temperature", value=31),
            "all pages show the same temperature",
            "A page does not show the temperature that another has set.",
            f"set to 31; the other page shows {ben.value('Temperature')}",
        )
        await anna.click("Write")
        attempt.require(
            await see(ben, "Line", value=lambda text: "is written" in (text or "")),
            "and every line of the log",
            "A page does not show what another has written into the log.",
            f"its line is {ben.value('Line')!r}",
        )
        async with app.visit() as carla:
            attempt.require(
                "report" in (carla.value("Newest") or ""),
                "who comes later reads the newest reports",
                "Who comes later does not read the newest reports.",
                f"one was written; the page says {carla.value('Newest')!r}",
            )
    attempt.say("hunting for what each session leaves behind")
    found = await asyncio.to_thread(hunt, attempt.path, sessions=HUNTED, live=False)
    holders = sorted({culprit.holder for culprit in found.culprits})
    attempt.require(
        found.verdict in ("clean", "bounded"),
        "and no session leaves anything behind",
        "Every session leaves something behind.",
        f"`sessionlab hunt` says {found.verdict}: {'; '.join(holders) or 'and names nobody'}",
    )


def _function(attempt: Attempt, name: str):
    try:
        found = runpy.run_path(str(attempt.path)).get(name)
    except Exception as error:
        raise NotYet("The file raises an error.", _where(error, attempt)) from None
    if not callable(found):
        raise NotYet(f"The file has no function {name!r}.", "")
    return found


async def _answer(leaks, url: str, probe) -> bool:
    try:
        async with asyncio.timeout(START):
            answer = leaks(url, probe)
            return bool(await answer if inspect.isawaitable(answer) else answer)
    except TimeoutError:
        raise NotYet("Your detector takes too long.", f"no answer after {START:g} s") from None
    except Exception as error:
        raise NotYet("Your detector raises an error.", _where(error)) from None


def _where(error: Exception, attempt: Attempt | None = None) -> str:
    lines = traceback.extract_tb(error.__traceback__)
    own = [
        frame.lineno for frame in lines if frame.filename.endswith(("06_detector.py", str(attempt and attempt.path)))
    ]
    return f"{type(error).__name__}: {error}" + (f" (line {own[-1]})" if own else "")


EXERCISES = [
    Exercise(
        "06-holder",
        "name the container that leaks",
        holder,
        (
            "Four containers, and each gets something from every session. Which of them gets rid of it again?",
            "Three have a bound, each in its own way: a length, equal things counted once, references that hold "
            "nothing.",
            "`server.probe.mark_containers()`, some visits, `server.probe.discard_unused()`, and then "
            "`server.probe.containers()` has a row for every container that grew: `grew` is the number of sessions.",
        ),
    ),
    Exercise(
        "06-detector",
        "write a detector that is not taken in by a cache",
        detector,
        (
            "The detector looks at the first five visits of a server's life. What else grows in these?",
            "A cache of ten is full after ten visits. A leak grows by one per visit, at any time.",
            "Visit twelve times first, then take the census, visit five times more, and compare: a leak has five "
            "objects more.",
        ),
    ),
    Exercise(
        "06-desk",
        "find every leak of an app, and keep what it does",
        desk,
        (
            "What lives longer than a session here: the station, the log, the list. Who tells them that a session has "
            "ended?",
            "`sessionlab hunt exercises/06_desk.py` names each holder. After the first repair, hunt again: a leak "
            "hides behind another.",
            "In a hook of the session's end: `station.param.unwatch(watcher)` and `log.removeHandler(handler)`. And "
            "the list needs a bound: `deque(maxlen=5)`.",
        ),
    ),
]
