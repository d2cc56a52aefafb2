"""Exercises of chapter 04: work that takes longer than its user stays."""

from __future__ import annotations

import secrets

from sessionlab.client import Session
from sessionlab.course.exercises.attempt import MOMENT, SOON, Attempt, Served, see
from sessionlab.course.exercises.exercise import Exercise

WORK, AWAY = 40, 65  # seconds that the calculation takes; that its user is away, from a moment after its start
HOUR = 3600


async def job(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        await require_idle_ones_go(attempt, app)
        anna = await app.visit()
        wanted = await start(anna)
        await app.pass_time(1)
        await app.left(anna)
        async with app.visit() as ben:
            attempt.say("a second user starts the same work a little later")
            await app.pass_time(30)
            second = await start(ben)
            await app.left(ben)
            await app.pass_time(AWAY - 30)
            await require_result(attempt, app, anna, wanted, "its user finds it 25 s after the end", "The result")
            await app.pass_time(30)
            await require_result(attempt, app, ben, second, "a second user, too", "The result of a second user")
            attempt.say("both leave for good")
            await app.left(ben)
        await app.left(anna)
        await require_both_go(attempt, app)


async def share(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        await require_idle_ones_go(attempt, app)
        async with app.visit() as anna, app.visit() as ben:
            attempt.say("one user shares among four, one among nobody; both go away")
            for user, guests in ((anna, 4), (ben, 0)):
                await user.set("Guests", value=guests)
                await user.click("Run")
                await user.roundtrip()
            await app.pass_time(1)
            for user in (anna, ben):
                await app.left(user)
            await app.pass_time(WORK)
            await app.pass_time(AWAY - WORK)
            for user, wanted, right, what in (
                (anna, lambda text: "250" in text, "who was away finds the share", "The share"),
                (ben, lambda text: "zero" in text, "or the reason why there is none", "The reason why there is none"),
            ):
                await user.reconnect()
                attempt.require(
                    await see(user, "Share", value=wanted),
                    right,
                    f"{what} is not there {AWAY - WORK} s after the end.",
                    f"Share is {user.value('Share')!r} on the page that came back",
                )
            attempt.say("both leave for good")
            for user in (anna, ben):
                await app.left(user)
        await require_both_go(attempt, app)


async def require_both_go(attempt: Attempt, app: Served) -> None:
    """An hour after both users have left."""
    await app.pass_time(HOUR)
    attempt.require(
        await app.wait_until(app.is_empty),
        "an hour after both have left, neither session is kept",
        "A session that was protected is never given up.",
        f"an hour after both users have left the server still has {len(await app.sessions())} of their sessions",
    )


async def require_idle_ones_go(attempt: Attempt, app: Served) -> None:
    attempt.say("a user looks, and leaves")
    async with app.visit() as passing:
        await app.left(passing, drop=False)
    await app.pass_time(60)
    attempt.require(
        await app.wait_until(app.is_empty),
        "who starts no work is not kept",
        "A user who started no work is kept as well.",
        f"a minute after the visit the session is still there; flags: {' '.join(attempt.flags) or 'none'}",
    )


async def start(user: Session) -> int:
    """Start the work with a number of its own; the result that it must have."""
    number = 10 + secrets.randbelow(80)
    await user.set("Number", value=number)
    await user.click("Run")
    await user.roundtrip()
    return number**2


async def require_result(attempt: Attempt, app: Served, user: Session, wanted: int, right: str, what: str) -> None:
    await user.reconnect()
    error = r"^\w*(?:Error|Exception):|NameError: |RuntimeError: |AttributeError: "
    found = await see(user, "Result", MOMENT if app.server.log.matching(error) else SOON, value=wanted)
    said = app.server.log.matching(error)
    errors = f"; the log says: {said[-1].strip()}" if said else ""
    attempt.require(
        found, right, f"{what} is lost.", f"Result is {user.value('Result')} on the page that came back{errors}"
    )


async def late(attempt: Attempt) -> None:
    async with attempt.serve() as app:
        async with app.visit(ticket="blue") as first:
            attempt.say("a user starts the work and leaves")
            wanted = await start(first)
            await app.pass_time(1)
            await app.left(first, drop=False)
        await app.pass_time(HOUR)
        attempt.require(
            await app.wait_until(app.is_empty),
            "the session does not have to live for it",
            "The session is kept for an hour.",
            "its user left after one second, and it is still there",
        )
        attempt.say("an hour later, a new page with the same ticket")
        async with app.visit(ticket="blue") as later:
            said = app.server.log.matching(r"NameError: ")
            attempt.require(
                await see(later, "Result", MOMENT if said else SOON, value=wanted),
                "a later page with the same ticket has the result",
                "A later page with the same ticket does not have the result.",
                f"Result is {later.value('Result')}" + (f"; the log says: {said[-1].strip()}" if said else ""),
            )
        async with app.visit(ticket="red") as other:
            attempt.require(
                other.value("Result") == 0,
                "another ticket does not",
                "A page with another ticket shows a result that is not its own.",
                "",
            )
            attempt.say("a user who stays")
            wanted = await start(other)
            await app.pass_time(WORK + 1)
            attempt.require(
                await see(other, "Result", value=wanted),
                "who stays sees it at once",
                "A user who stays does not see the result.",
                f"Result is {other.value('Result')}",
            )


EXERCISES = [
    Exercise(
        "04-job",
        "keep one session for the result of its work",
        job,
        (
            "The lifetime counts from the disconnect. When the work ends after 40 s, the session is overdue.",
            "`pn.state.block_expiration()` protects every session, and none of them for a moment longer than the "
            "work. What "
            "is needed is a block of this session, which lingers.",
            "`from sessionlab.harden import block_expiration`, and `with block_expiration(linger=300):` around the "
            "work.",
        ),
    ),
    Exercise(
        "04-late",
        "fetch a result an hour later, from another session",
        late,
        (
            "What lives longer than a session? And which names does a callback still know when its session has gone?",
            "`pn.state.cache` lives as long as the server. But the script's module is emptied with its session: "
            "after the "
            "`await`, a name of the script is a NameError.",
            "Give the callback what it needs as default arguments, `async def run(event, ticket=ticket, "
            "results=results, "
            '…)`, and let `results` be `pn.state.cache.setdefault("results", {})`.',
        ),
    ),
    Exercise(
        "04-share",
        "mend a calculation that may fail",
        share,
        (
            "Follow the block: when does it begin, and on which ways does the function end?",
            "After an exception the last line is not reached, and nobody is told. And a block that ends with the work "
            "ends before its user is back.",
            "`with block_expiration(linger=300):` of `sessionlab.harden` ends on every way, and later; an `except` "
            "inside it tells the user.",
        ),
    ),
]
