"""Exercises of chapter 07: two leaks to mend without losing what the code is for."""

from __future__ import annotations

import contextlib
import re

from sessionlab.client import Session
from sessionlab.course.exercises.attempt import SOON, Attempt, Served, shown, soon
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.course.exercises.source import Source
from sessionlab.errors import VisitFailed

VISITS = 6
KEPT, MANY = 20, 40


async def busy(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        async with app.visit() as user:
            attempt.say("letting the server work")
            said = shown(user)
            await user.click("Work")
            follows = await soon(lambda: jobs(shown(user)) > jobs(said) >= 0)
            errors = app.server.log.matching(r"^NameError: ")
            attempt.require(
                follows,
                "the light follows the server's work",
                "The light does not follow the server's work.",
                f"before a job it says {said or 'nothing'!r}, and after it {shown(user) or 'nothing'!r}"
                + (f"; the log says: {errors[-1]}" if errors else ""),
            )
        before = await emptied(app)
        attempt.say(f"{VISITS} users come and go")
        for _ in range(VISITS):
            async with app.visit() as user:
                await user.click("Work")
        growth = (await emptied(app)).minus(before)
        left = growth.get("parameterized", 0) / VISITS
        attempt.require(
            left < 1,
            "nothing stays of a session",
            "Each session leaves something behind.",
            f"{VISITS} sessions came and went; {left:.0f} of Panel's objects stay for each",
        )


def jobs(text: str) -> int:
    """How many jobs the light has seen; -1 if it does not say."""
    found = re.search(r"idle after (\d+) jobs", text)
    return int(found[1]) if found else -1


async def emptied(app: Served):
    """A census of the server without sessions."""

    async def nobody() -> bool:
        await app.ask(app.server.probe.discard_unused)
        return await app.is_empty()

    await soon(nobody)
    return await app.ask(app.server.probe.census, settle=True)


async def cache(attempt: Attempt) -> None:
    with Source() as source:
        async with attempt.serve(env={"SOURCE": source.url}) as app, app.visit() as user:
            attempt.say("two users ask for the same report")
            await ask(attempt, user, 1000, source)
            async with app.visit() as other:
                times = await asked(attempt, other, 1000, source)
            attempt.require(
                times == 0,
                "a report is made once for all users",
                "The same report is made anew for another user.",
                f"the source was asked {times} times for a report that was there",
            )
            attempt.say(f"{MANY} other reports")
            for number in range(2000, 2000 + MANY):
                await ask(attempt, user, number, source)
            times = await asked(attempt, user, 2000 + MANY - KEPT + 1, source)
            attempt.require(
                times == 0,
                f"the last {KEPT} are kept",
                f"One of the {KEPT} reports that were used last had to be made anew.",
                f"the source was asked {times} times for a report that was used {KEPT - 2} reports ago",
            )
            times = await asked(attempt, user, 2005, source)
            attempt.require(
                times > 0,
                "older ones are given up",
                "Every report is kept for ever.",
                f"after {MANY} others a report came without asking the source again",
            )


async def ask(attempt: Attempt, user: Session, number: int, source: Source) -> None:
    await user.set("Number", value=number)
    wanted = f"Report {number} of {source.rows} rows"
    if wanted not in shown(user):
        with contextlib.suppress(VisitFailed):
            await user.wait_for(lambda user: wanted in shown(user), timeout=SOON)
        found, said = wanted in shown(user), shown(user) or "nothing"
        attempt.require(found, "reports come", "A report does not come.", f"the page says: {said}")
        attempt.right[:] = dict.fromkeys(attempt.right)  # said once


async def asked(attempt: Attempt, user: Session, number: int, source: Source) -> int:
    """How often the source was asked for this report."""
    before = len(source.asked)
    await ask(attempt, user, number, source)
    return len(source.asked) - before


EXERCISES = [
    Exercise(
        "07-busy",
        "stop a binding from keeping every Document",
        busy,
        (
            "`pn.state` is one object for all sessions. Whoever is told by it is known to it.",
            "A binding to `pn.state.param.busy` watches it and is never told to stop. A watcher that you make "
            "yourself you "
            "can also take away: `pn.state.param.watch` returns it.",
            "Watch `busy` with a function that sets the text, and in a destroy hook call "
            "`state.param.unwatch(watcher)`, with both as default arguments.",
        ),
    ),
    Exercise(
        "07-cache",
        "give a cache a bound",
        cache,
        (
            "A cache without a bound is a leak with a good excuse. `help(pn.cache)` lists what it can do about it.",
            "A time to live does not bound the number. Which argument does, and who goes first then?",
            '`@pn.cache(max_items=20, policy="LRU")`: the one that was not used for longest goes first.',
        ),
    ),
]
