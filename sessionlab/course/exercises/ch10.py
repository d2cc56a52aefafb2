"""Exercises of chapter 10: repair an app until the audit finds nothing more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from sessionlab.checks import audit
from sessionlab.client import Session
from sessionlab.course.exercises.attempt import PATIENCE, SOON, Attempt, shown, soon
from sessionlab.course.exercises.exercise import Exercise

REPORT = re.compile(r"Ada\W+has ordered for 160")
COSTS = re.compile(r"The trip costs (\d+)")


async def orders(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as user:
        attempt.say("asking for a report")
        await user.click("Report")
        await app.pass_time(5)
        attempt.require(
            await soon(lambda: REPORT.search(shown(user))),
            "the report comes",
            "The report does not come.",
            f"the page says: {shown(user) or 'nothing'}",
        )
    result = await audited(attempt, ["app", "reconnect.on", "block", "hooks", "leak.notifications"])
    attempt.require(
        "held its own session" in result["block.scope"].measured,
        "a report that is being written keeps its session",
        "Nothing keeps a session while its report is written.",
        result["block.scope"].measured,
    )
    attempt.require(
        "registers no" not in result["hooks.run"].measured,
        "the database is closed when its session ends",
        "Nothing closes the database when its session ends.",
        result["hooks.run"].measured,
    )


async def trips(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as user:
        attempt.say("planning a trip for two")
        two, one = await costs(user, "two"), await costs(user, "one")
        attempt.require(
            two and one and two == 2 * one,
            "a trip for two costs twice as much as one for one",
            "A trip for two people gets no price, or a wrong one.",
            f"the page says {two or 'nothing'} for two, {one or 'nothing'} for one",
        )
    await audited(attempt, ["app", "reconnect.on", "sessions.shared", "memory", "leak.caches", "options"], warn=False)


async def costs(user: Session, people: str) -> int:
    """The price that the page shows for so many people; 0 if none comes."""
    before = shown(user)
    await user.set("People", value=people)
    await soon(lambda: shown(user) != before, seconds=SOON / 2)
    found = COSTS.search(shown(user)) if shown(user) != before else None
    return int(found[1]) if found else 0


async def audited(attempt: Attempt, only: Sequence[str], warn: bool = True):
    """Audit the attempt, and require that no check fails; with ``warn=False`` that none warns either."""
    attempt.say("auditing it")
    result = await asyncio.to_thread(
        audit, attempt.path, only=only, browser=False, panel_args=attempt.flags, max_seconds=15 * PATIENCE
    )
    bad = ("fail", "skipped") if warn else ("fail", "skipped", "warn")
    for check in result.checks:
        attempt.require(check.status not in bad, check.id, f"The audit is not content with {check.id}.", check.measured)
    return result


EXERCISES = [
    Exercise(
        "10-orders",
        "repair the orders until the audit is green",
        orders,
        (
            "Run `audit` on the file and take the failed checks one after the other: each names its chapter.",
            "Four lines are at fault: the extension, the block, the hook and what registers it. Chapters 02, 04 and 05 "
            "have a replacement for each.",
            "`from sessionlab.harden import block_expiration, on_session_destroyed, reconnect`: call `reconnect()` "
            "after `pn.extension`, and the other two in place of those of `pn.state`.",
        ),
    ),
    Exercise(
        "10-trips",
        "repair the trips, which share what they should not, and do not share what they should",
        trips,
        (
            "Which of the app's objects should all visitors have in common, and which must be each visitor's own?",
            "The note is one widget for everybody; the prices are loaded for each visitor. Then there are a price that "
            "is missing, a cache without a bound, an option that nobody reads, and a page that does not reconnect.",
            "Load the prices in a function under `@pn.cache`, make the note in the script, give the cache a `maxsize`, "
            "write `unused_session_lifetime_milliseconds`, and call `sessionlab.harden.reconnect()`.",
        ),
    ),
]
