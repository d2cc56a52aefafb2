"""Exercises of chapter 05: what has to end when a session ends."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import tempfile
from contextlib import AsyncExitStack, closing
from pathlib import Path

from sessionlab.course.exercises.attempt import SOON, Attempt, Served, see
from sessionlab.course.exercises.exercise import Exercise

USERS = 3
LIFE = 60  # seconds after which a session without a user has ended, with the default flags


async def thread(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        before = await threads(app)
        async with AsyncExitStack() as pages:
            attempt.say(f"{USERS} users come")
            users = [await pages.enter_async_context(app.visit()) for _ in range(USERS)]
            attempt.require(
                all([await see(user, "Readings", value=lambda number: number >= 3) for user in users]),
                "the instrument is read for every user",
                "The readings do not come.",
                f"Readings are {', '.join(str(user.value('Readings')) for user in users)}",
            )
            attempt.say("and leave")
            for user in users:
                await app.left(user, drop=False)
        await app.pass_time(LIFE)
        attempt.require(await app.wait_until(app.is_empty), "their sessions end", "The sessions do not end.", "")

        async def for_each_user() -> float:
            return (await threads(app) - before) / USERS  # the server itself may have started one more

        async def ended() -> bool:
            return await for_each_user() < 1

        attempt.require(
            await app.wait_until(ended),
            "and so do their threads",
            "Threads run on after their sessions have ended.",
            f"{await for_each_user():.0f} for each of {USERS} users who came and went{hook_failure(app)}",
        )


async def threads(app: Served) -> int:
    return (await app.ask(app.server.probe.census)).threads


def hook_failure(app: Served) -> str:
    """What the log says of a hook that failed, as the end of a sentence."""
    lines = app.server.log.lines
    failed = [i for i, line in enumerate(lines) if re.search(r"failed with following error|hook .* failed", line)]
    reasons = [line for line in lines[failed[0] :] if re.search(r"^\w*Error: |error: ", line)] if failed else []
    reasons += app.server.log.matching("was never awaited")
    return f"; the log says: {reasons[0].rpartition('following error: ')[2].strip()}" if reasons else ""


async def room(attempt: Attempt) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "room.db")
        async with attempt.serve(env={"ROOM": str(file)}) as app:
            people(file, forget=True)  # the start of the app was a visit too
            async with app.visit() as anna, app.visit() as ben:
                attempt.require(
                    people(file) == {anna.id, ben.id},
                    "who comes is in the room",
                    "The database does not know who is in the room.",
                    f"two users have come, and it has {len(people(file))} rows",
                )
                attempt.say("one of two leaves")
                await app.left(anna, drop=False)
                await app.pass_time(LIFE)
                gone = await app.wait_until(lambda: anna.id not in people(file))
                attempt.require(
                    gone and ben.id in people(file),
                    "who leaves is not",
                    "A user whose session has ended is still in the room." if not gone else "Everybody is thrown out.",
                    f"one of two has left, and the database has {len(people(file))} rows{hook_failure(app)}",
                )
                attempt.say("the server is stopped")
                app.server.kill(signal.SIGTERM)
                await asyncio.to_thread(app.server.wait, 2 * SOON)
                attempt.require(
                    not people(file),
                    "and when the server stops, nobody is",
                    "When the server is stopped, its users stay in the room.",
                    f"after SIGTERM the database has {len(people(file))} rows",
                )


def people(file: Path, forget: bool = False) -> set[str]:
    """The sessions that the database holds to be present; ``forget`` empties it."""
    with closing(sqlite3.connect(file, timeout=SOON, isolation_level=None)) as database:
        try:
            if forget:
                database.execute("delete from present")
            return {row[0] for row in database.execute("select session from present")}
        except sqlite3.OperationalError:  # the app has made no such table
            return set()


EXERCISES = [
    Exercise(
        "05-thread",
        "end a thread with its session",
        thread,
        (
            "The hook is called, and yet the thread goes on. Serve the app yourself and read its log after a user "
            "has left.",
            "`name 'stop' is not defined`: the module of the script is emptied before its hooks run. What does a "
            "function "
            "carry with it that is not a global?",
            "A default argument: `def leave(session_context, stop=stop)`. (`sessionlab.harden.on_session_destroyed` "
            "empties "
            "the module later.)",
        ),
    ),
    Exercise(
        "05-room",
        "close a database connection, also on SIGTERM",
        room,
        (
            "Two things go wrong, at two moments. The log has a line for the first; the second leaves no trace at all.",
            "Panel's hooks run after the script's module was emptied, and not at all when the server stops. "
            "`sessionlab.harden` has a hook that does better at both.",
            "`from sessionlab.harden import on_session_destroyed`, and `on_session_destroyed(leave, database)`: what "
            "stands "
            "behind the function is handed to it.",
        ),
    ),
]
