"""Exercises of chapter 08: what stands before the server, and what it may keep."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from sessionlab.client import Session, get_page
from sessionlab.course.exercises.attempt import START, Attempt, Served, constant, soon
from sessionlab.course.exercises.ch02 import count_three
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.course.exercises.source import Source
from sessionlab.course.exercises.verdict import NotYet
from sessionlab.errors import VisitFailed

ASKED, LARGEST = 10, 10_000  # how often the probe asks; bytes of an answer that costs nothing
LEAVERS, CAP, CROWD = 15, 10, 12
HALF_AN_HOUR = 1800
BEARS, MANY, NINE_MINUTES = 20, 26, 540  # sessions; visitors in the morning; seconds


async def probe(attempt: Attempt) -> None:
    address = str(constant(attempt, "PROBE"))
    with Source() as source:
        async with attempt.serve(env={"SOURCE": source.url}) as app:
            before = len(source.asked)
            await app.ask(app.server.probe.reset)
            attempt.say(f"asking {address} for its health")
            pages = [await get_page(app.server.origin + "/" + address.lstrip("/")) for _ in range(ASKED)]
            bad = [page.status for page in pages if page.status != 200]
            attempt.require(
                not bad, "it answers 200", f"{address} does not answer 200.", f"it answers {bad[0] if bad else ''}"
            )
            made = (await app.ask(app.server.probe.timeline)).count("created")
            attempt.require(
                not made,
                "it makes no session",
                "Each question makes a session.",
                f"asked {ASKED} times: {made} sessions",
            )
            runs = len(source.asked) - before
            attempt.require(
                not runs,
                "the app does not run for it",
                "Each question runs the app.",
                f"asked {ASKED} times: {runs} runs",
            )
            size = max(len(page.text) for page in pages)
            attempt.require(
                size < LARGEST, "and it is short", "The answer is no sign of life, it is a large file.", f"{size} bytes"
            )
            async with app.visit() as user:
                attempt.require(
                    user.models, "the app is still there", "The app itself shows nothing any more.", "its page is empty"
                )


async def cap(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as steady:
        before = await count_three(attempt, steady)
        attempt.say(f"{LEAVERS} users come, stay for a moment, and leave")
        left = []
        for _ in range(LEAVERS):
            async with app.visit() as user:
                await user.click("Add one")
                left.append(user)
                await app.left(user, drop=False)
            await app.pass_time(20)
        waiting = [s for s in await app.sessions() if not s.connections]
        attempt.require(
            len(waiting) <= CAP,
            f"at most {CAP} sessions wait",
            f"More than {CAP} sessions wait for users who have left.",
            f"{LEAVERS} users have left and {len(waiting)} sessions wait",
        )
        attempt.say("half an hour passes")
        await app.pass_time(HALF_AN_HOUR)
        await left[-1].reconnect()
        await left[-1].roundtrip()
        count = left[-1].value("Count")
        attempt.require(
            count == 1,
            "who left last finds everything after half an hour",
            "Who left last has lost everything after half an hour.",
            f"Count was 1 and is {count}",
        )
        refused = await crowd(app)
        attempt.require(
            not refused, f"{CROWD} at once are let in", "Visitors are sent away.", f"{refused} of {CROWD} were refused"
        )
        attempt.require(
            not steady.closed and steady.value("Count") == before,
            "and nobody who is connected is sent away",
            "A user who was connected all the time has lost the session.",
            f"the connection was {steady.closed}",
        )


async def night(attempt: Attempt) -> None:
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes.txt")
        async with attempt.serve(env={"NOTES": str(notes)}) as app, app.visit() as anna, app.visit() as ben:
            await anna.set("Note", value="of anna")
            await ben.set("Note", value="of ben")
            attempt.say("one user is away for nine minutes")
            await app.left(anna)
            await app.pass_time(NINE_MINUTES)
            await anna.reconnect()
            attempt.require(
                anna.value("Note") == "of anna",
                "who was away for nine minutes finds her note",
                "Who was away for nine minutes does not find her note.",
                f"the page says {anna.value('Note')!r}; flags: {' '.join(attempt.flags) or 'none'}",
            )
            attempt.say("a crowd comes")
            refused = await crowd(app, MANY)
            attempt.require(
                refused >= MANY + 2 - BEARS,
                f"at most {BEARS} sessions are let in",
                f"More than {BEARS} sessions are let in.",
                f"{MANY} came to two; {refused} were refused",
            )
            attempt.require(
                not anna.closed and not ben.closed,
                "and nobody who is there is sent away",
                "Who was there is sent away.",
            )
            attempt.say("a session ends")
            await app.left(ben)
            await app.pass_time(HALF_AN_HOUR)
            attempt.require(
                await soon(lambda: "of ben" in _lines(notes)),
                "the note of a session that has ended is filed",
                "The note of a session that has ended is not filed.",
                f"filed: {', '.join(_lines(notes)) or 'nothing'}",
            )
            attempt.say("asking the server to end")
            app.server.kill(signal.SIGTERM)
            try:
                await asyncio.to_thread(app.server.wait, START)
            except TimeoutError:
                raise NotYet("The server does not end.", f"it still runs {START:g} s after SIGTERM") from None
            attempt.require(
                _lines(notes).count("of anna") == 1,
                "and that of one that was open when the server ended, once",
                "The note of a session that was open when the server ended is not filed once.",
                f"filed: {', '.join(_lines(notes)) or 'nothing'}",
            )


def _lines(file: Path) -> list[str]:
    """What has been filed, but for notes that are empty."""
    return list(filter(None, file.read_text().splitlines())) if file.exists() else []


async def crowd(app: Served, number: int = CROWD) -> int:
    """How many of a number of visitors at the same time are not let in."""
    refused = 0
    async with AsyncExitStack() as pages:
        for _ in range(number):
            try:
                user: Session = await pages.enter_async_context(app.visit())
                refused += not user.models
            except VisitFailed:
                refused += 1
    return refused


EXERCISES = [
    Exercise(
        "08-probe",
        "give the load balancer something that costs nothing",
        probe,
        (
            "To ask for an app's page is to visit it, whoever asks. Panel has another address for this; it is off by "
            "default.",
            "`panel serve --help`: look for *liveness*. With `?endpoint=` it runs the app again.",
            'The flag `--liveness` in the first line, and `PROBE = "/liveness"`.',
        ),
    ),
    Exercise(
        "08-cap",
        "keep a promise to ten users, and not to everybody",
        cap,
        (
            "A shorter lifetime breaks the promise; a cap on visitors sends people away. What has to be capped are the "
            "sessions of those who have left.",
            "Neither Panel nor Bokeh has such a cap. `sessionlab.harden.SessionLimits` has: which of its four "
            "numbers is it?",
            "`from sessionlab.harden import SessionLimits` and `SessionLimits(retained=10).install()` in the script.",
        ),
    ),
    Exercise(
        "08-night",
        "bring a note pad through a night and a morning",
        night,
        (
            "Three promises stand in its first lines. Which of them does `panel serve` keep by itself, and which can a "
            "flag keep?",
            "Nine minutes are a lifetime. Twenty sessions are a cap on all of them, not only on those that wait. And a "
            "stock hook of the session's end reads a script that has been emptied, if it runs at all.",
            "`--unused-session-lifetime 600000`; `SessionLimits(live=20).install()`; and "
            "`sessionlab.harden.on_session_destroyed(file)`, which runs at SIGTERM too.",
        ),
    ),
]
