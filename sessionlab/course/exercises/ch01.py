"""Exercises of chapter 01: who makes sessions, and what is a session's own."""

from __future__ import annotations

from sessionlab.client import get_page
from sessionlab.course.exercises.attempt import Attempt, see, shown, soon
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.course.exercises.source import Source

BOTS = 2


async def bot(attempt: Attempt) -> None:
    with Source() as source:
        async with attempt.serve(env={"SOURCE": source.url}) as app:
            attempt.say("three bots ask for the page")
            for _ in range(BOTS):  # the start of the app was a GET without a websocket too
                await get_page(app.server.url)
            attempt.require(
                not source.asked,
                "a bot costs no table",
                "The table is loaded for bots.",
                f"{BOTS + 1} pages without a websocket: the table was asked for {len(source.asked)} times",
            )
            attempt.say("a visitor comes")
            async with app.visit() as visitor:
                wanted = f"{source.rows} rows"
                attempt.require(
                    await soon(lambda: source.asked and wanted in shown(visitor)),
                    "a visitor gets it",
                    "A visitor does not see how many rows the table has.",
                    f"the table was asked for {len(source.asked)} times; the page says: {shown(visitor) or 'nothing'}",
                )


async def basket(attempt: Attempt) -> None:
    async with attempt.serve() as app, app.visit() as anna, app.visit() as ben:
        attempt.say("two visitors fill their baskets")
        for visitor, times in ((anna, 3), (ben, 1)):
            for count in range(1, times + 1):
                await visitor.click("Put in")
                await see(visitor, "In my basket", value=count)  # before the next: see count_three() of chapter 02
        async with app.visit() as carla:
            baskets = [visitor.value("In my basket") for visitor in (anna, ben, carla)]
            attempt.require(
                baskets == [3, 1, 0],
                "every visitor has a basket of her own",
                "The baskets of the visitors are mixed up.",
                f"they put in 3, 1 and 0 things; their baskets hold {', '.join(map(str, baskets))}",
            )
        attempt.say("both buy")
        for visitor in (anna, ben):
            await visitor.click("Buy")
            await see(visitor, "In my basket", value=0)
        emptied = [visitor.value("In my basket") for visitor in (anna, ben)]
        attempt.require(
            emptied == [0, 0], "a purchase empties it", "After `Buy` a basket is not empty.", f"they hold {emptied}"
        )
        async with app.visit() as dora:
            await see(dora, "Sold to all", value=4)
            sold = dora.value("Sold to all")
            attempt.require(
                sold == 4,
                "what was sold is counted for all",
                "What the others bought is not counted.",
                f"3 and 1 things were bought; a new visitor reads: {sold} sold",
            )


EXERCISES = [
    Exercise(
        "01-bot",
        "load a table for visitors, and not for bots",
        bot,
        (
            "A bot makes a session, and your script runs for it. But a session has more moments than its beginning.",
            "What does a browser do after the page that a bot does not? Something in `pn.state` waits for just that.",
            "`pn.state.onload(show)` calls `show` when the browser has opened its websocket and shows the page.",
        ),
    ),
    Exercise(
        "01-basket",
        "keep apart what belongs to a session and what to the server",
        basket,
        (
            "The script runs once for each session. What lives longer than one run of it?",
            "`pn.state.cache` is one dictionary for the whole server. Which of the two numbers has to be in it?",
            'Keep `"sold"` in `pn.state.cache`; let `mine` be a plain dictionary that the script makes.',
        ),
    ),
]
