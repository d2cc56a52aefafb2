"""Exercises of chapter 02: a wire that goes and comes back."""

from __future__ import annotations

import time

from sessionlab.client import Session
from sessionlab.course.exercises.attempt import Attempt, Served, see, shown
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.lifetimes import ATTEMPTS

LAST_TRY = ATTEMPTS[-1]  # an outage of 20 s is over when BokehJS tries for the last time by itself
FOR_GOOD = 180  # seconds after which nobody comes back
SHIFT = 8 * 3600  # seconds that a page stays open
TUNNEL, NIGHT, LOGGED_OFF = 60, 9 * 3600, 600  # seconds without a wire; after the last of them the session may be gone
LOST = "What you had entered is gone."


async def blip(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as user:
        before = await count_three(attempt, user)
        attempt.require(
            tries_again(user),
            "the page tries to come back by itself",
            "The page does not try to come back by itself.",
            "the document tells the browser: reconnect_session is False",
        )
        attempt.say("cutting the wire for 20 s of the server's time")
        after = await away(app, user, LAST_TRY)
        attempt.require(
            after == before,
            f"its try after {LAST_TRY:g} s finds the session again",
            "The page comes back, but its session is gone: a fresh one has taken its place.",
            f"Count was {before} before the outage and is {after} after the try at {LAST_TRY:g} s",
        )
        await app.left(user)
        await app.pass_time(FOR_GOOD)
        kept = not await app.wait_until(app.is_empty)
        attempt.require(
            not kept,
            f"a user who left is forgotten after {FOR_GOOD / 60:g} minutes",
            f"A user who left for good still has a session after {FOR_GOOD / 60:g} minutes.",
            f"flags: {' '.join(attempt.flags) or 'none'}",
        )


async def lost(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as user:
        before = await count_three(attempt, user)
        attempt.require(
            LOST not in shown(user),
            "a first visit is welcomed",
            "A first visit is told that something was lost.",
            f"the page says: {line_of(user)}",
        )
        attempt.say("an outage of 5 s")
        after = await away(app, user, 5)
        attempt.require(
            after == before and LOST not in shown(user),
            "after a short outage nothing is said",
            "After a short outage, with the session still there, the page says that it was lost.",
            f"Count was {before} and is {after}; the page says: {line_of(user)}",
        )
        attempt.say("an outage of 60 s")
        after = await away(app, user, 60)
        attempt.require(
            LOST in shown(user) or any(told.get("outcome") == "restarted" for told in told_by_harden(user)),
            "after a long one the user is told",
            "After an outage of 60 s the user is not told that the session was lost.",
            f"Count was {before} and is {after}; the page says: {line_of(user)}",
        )
        async with app.visit() as other:
            attempt.require(
                LOST not in shown(other),
                "the next visitor is welcomed",
                "The next visitor, who has lost nothing, is told so too.",
                f"the page says: {line_of(other)}",
            )


async def tunnel(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as user:
        before = await count_three(attempt, user)
        attempt.say("a tunnel of a minute")
        after = await away(app, user, TUNNEL)
        attempt.require(
            after == before,
            "after a tunnel the count is there",
            "After a tunnel of a minute the count is gone.",
            f"Count was {before} and is {after}; flags: {' '.join(attempt.flags) or 'none'}",
        )
        left = (user.page.token_expires or 0.0) - time.time()
        attempt.require(
            left > SHIFT or told_by_harden(user),
            "a page that was opened at the beginning of a shift is let in at its end",
            "A page that was opened at the beginning of a shift is refused at its end.",
            f"its token is good for {left / 3600:.0f} h; flags: {' '.join(attempt.flags) or 'none'}",
        )
        attempt.say("a night in the depot")
        await away(app, user, NIGHT)
        fresh = user.value("Count")
        for number in (1, 2):
            await user.click("Add one")
            counts = await see(user, "Count", value=fresh + number)
        attempt.require(
            counts,
            "after a night the page counts anew",
            "After a night the page does not count any more, though it has come back.",
            f"two clicks after {fresh}, and Count is {user.value('Count')}",
        )
        await app.left(user)
        await app.pass_time(LOGGED_OFF)
        attempt.require(
            await app.wait_until(app.is_empty),
            f"who has logged off is forgotten after {LOGGED_OFF / 60:g} minutes",
            f"Who has logged off still has a session after {LOGGED_OFF / 60:g} minutes.",
            f"flags: {' '.join(attempt.flags) or 'none'}",
        )


async def count_three(attempt: Attempt, user: Session) -> int:
    """Click three times; the number that the page shows then.

    Each click waits for the one before: of updates that overlap, Panel may keep one back (``upstream/09``).
    """
    attempt.say("counting to three")
    before = user.value("Count")
    for number in range(1, 4):
        await user.click("Add one")
        counts = await see(user, "Count", value=(before or 0) + number)
        if not counts:
            break
    attempt.require(
        counts,
        "it counts",
        "Three clicks on `Add one` do not count.",
        f"Count was {before} and is {user.value('Count')}",
    )
    return user.value("Count")


async def away(app: Served, user: Session, seconds: float) -> int:
    """Cut the wire, let the time pass for the server, come back; the count that the page shows then."""
    await app.left(user)
    await app.pass_time(seconds)
    await user.reconnect()
    return user.value("Count")


def tries_again(user: Session) -> bool:
    """Whether the page that the browser got reconnects without a click: Panel's way, or that of `sessionlab.harden`."""
    config = user.document.config
    # what equals Bokeh's default, True, is left out of the document
    by_bokeh = config is None or config.attributes.get("reconnect_session", True) is True
    return by_bokeh or bool(told_by_harden(user))


def told_by_harden(user: Session) -> list[dict]:
    """The messages of `sessionlab.harden` to the page."""
    from sessionlab.harden.tickets import TYPE  # not above: it imports all of Panel, and every check would wait for it

    return [told for kind, told in user.document.messages if kind == TYPE and isinstance(told, dict)]


def line_of(user: Session) -> str:
    return shown(user).partition("\n")[0] or "nothing"


EXERCISES = [
    Exercise(
        "02-blip",
        "survive an outage of 20 seconds",
        blip,
        (
            "Two sides must want it: the page has to come back, and the server has to have kept what it comes back to.",
            "The page tries again after 0, 2, 6, 14 and 30 s. An outage of 20 s is over at the last of these, and by "
            "default a session may be gone after 15 s. Which argument of `pn.extension` makes the page try?",
            "`pn.extension(reconnect=True)`, and `--unused-session-lifetime` above 30 s; the flag counts milliseconds. "
            "Three minutes are too long.",
        ),
    ),
    Exercise(
        "02-lost",
        "tell the user when the session was lost",
        lost,
        (
            "The script runs from top to bottom for every new session, also for one that replaces another. What "
            "differs?",
            "The fresh session has the id of the one that it replaces: the page's token carries it. So an id that "
            "was here "
            "before is a page that comes back. (`pn.state.onload` does not help: that page is loaded already.)",
            "Keep the ids in `pn.state.cache`, which all sessions share; this session's own is "
            "`pn.state.curdoc.session_context.id`. Do not keep them for ever.",
        ),
    ),
    Exercise(
        "02-tunnel",
        "mend a page for a whole shift",
        tunnel,
        (
            "Three things end a page's life here: one is a time of the server, one a time of the page, one is how the "
            "number is shown. Which of the sections above cut a wire for as long?",
            "A session outlives a tunnel by `--unused-session-lifetime`, a page its shift by "
            "`--session-token-expiration`; look at the units. And a page that has come back to a fresh session "
            "hears of values, but not of widgets that take the place of others.",
            "`--unused-session-lifetime 120000 --session-token-expiration 86400`, and a `count` that sets "
            "`shown[0].value`, or `reconnect()` of `sessionlab.harden`.",
        ),
    ),
]
