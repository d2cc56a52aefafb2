"""Exercises of chapter 03: flags that keep a promise at a price."""

from __future__ import annotations

import time

from sessionlab.client import Session
from sessionlab.course.exercises.attempt import Attempt, Served
from sessionlab.course.exercises.ch02 import LAST_TRY, away, count_three
from sessionlab.course.exercises.exercise import Exercise

DAY, HOURS = 24 * 3600, 3600
EVERY, VISITS, MOST = 3, 36, 12  # seconds between visits, how many are tried, sessions that may wait


async def plan(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        async with app.visit() as user:
            require_token(attempt, user, 8 * HOURS, "a working day of 8 hours")
            before = await count_three(attempt, user)
            attempt.say("cutting the wire for 20 s of the server's time")
            after = await away(app, user, LAST_TRY)
            attempt.require(
                after == before,
                f"the try after {LAST_TRY:g} s finds the session",
                "The session does not survive the outage.",
                f"Count was {before} before it and is {after} after the try at {LAST_TRY:g} s",
            )
            await app.left(user, drop=False)
        attempt.say("visitors come and go, one every 3 s")
        most = await most_waiting(app)
        attempt.require(
            most <= MOST,
            f"the sessions that wait fit into the memory (at most {MOST})",
            f"More sessions wait than the memory holds: {MOST} are allowed.",
            f"one visitor every {EVERY} s: {most} sessions wait",
        )


async def most_waiting(app: Served) -> int:
    """The highest number of sessions that wait, with visitors who come one by one and leave at once."""
    most = 0
    for _ in range(VISITS):
        async with app.visit() as passing:
            await app.left(passing, drop=False)
        most = max(most, len(await app.sessions()))
        if most > MOST:
            break
        await app.pass_time(EVERY)
    return most


async def options(attempt: Attempt) -> None:
    async with attempt.run() as app, app.visit() as user:
        require_token(attempt, user, DAY, "a day")
        before = await count_three(attempt, user)
        attempt.say("cutting the wire for a minute of the server's time")
        after = await away(app, user, 50)
        attempt.require(
            after == before,
            "a session waits for 50 s",
            "A session does not wait for 60 s.",
            f"Count was {before} before an outage of 50 s and is {after} after it",
        )
        await app.left(user)
        await app.pass_time(70)
        attempt.require(
            await app.wait_until(app.is_empty),
            "and after 70 s it is gone",
            "A session waits longer than the lifetime of 60 s and one look of 5 s.",
            "70 s after its user left it is still there",
        )


def require_token(attempt: Attempt, user: Session, seconds: float, words: str) -> None:
    """The page's token must be good for ``seconds``, and not for very much more."""
    left = (user.page.token_expires or 0) - time.time()
    attempt.require(
        0.9 * seconds < left < 1.5 * seconds,
        f"a page that was open for {words} may come back",
        f"The token in the page is not good for {words}.",
        f"the server takes it for {in_words(left)}",
    )


def in_words(seconds: float) -> str:
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / HOURS)} hours" if seconds < 3 * DAY else f"{round(seconds / DAY)} days"


EXERCISES = [
    Exercise(
        "03-options",
        "find three options that are swallowed without a word",
        options,
        (
            "`pn.serve` takes any keyword. What it does not know goes to Tornado, where nobody looks for it.",
            "Print `pn.serve.__doc__`, or compare the flags of `panel serve --help`: the unit is part of two of the "
            "names.",
            "`unused_session_lifetime_milliseconds`, `check_unused_sessions_milliseconds`, `session_token_expiration`.",
        ),
    ),
    Exercise(
        "03-plan",
        "choose the flags for an outage, a day and 60 MB",
        plan,
        (
            "Three flags, three clocks: one for the session, one for the server's look, one for the page's token.",
            "Sessions that wait = arrivals per second × (lifetime + check) at worst. The browser's last try by "
            "itself comes "
            "30 s after the cut, so the lifetime has a lower bound, and the memory gives the sum an upper one.",
            "12 sessions at one every 3 s are 36 s: a lifetime of 31 s leaves less than 5 s for the check. Two of "
            "the flags "
            "count milliseconds, the token's counts seconds.",
        ),
    ),
]
