"""Exercises of chapter 09: what is there again after the process has gone, and for whom."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sessionlab.client import Session, visit
from sessionlab.client.cookies import Cookies
from sessionlab.client.login import Login
from sessionlab.client.storage import Storage
from sessionlab.course.exercises.attempt import MOMENT, SOON, Attempt, Served, see
from sessionlab.course.exercises.exercise import Exercise

LONG = 6000  # letters: more than a page keeps
PAUSE = 1.0  # seconds after which what was entered is kept
PASSWORD = "secret"


async def letter(attempt: Attempt) -> None:
    async with _served(attempt) as app:
        short, long = f"Dear {secrets.token_hex(4)},", secrets.token_hex(LONG // 2)
        tab = Storage()
        async with written(attempt, app, tab, short) as writer:
            attempt.require(
                await see(writer, "Letter", value=short),
                "after a restart the letter is there again",
                "The letter is lost when the server is started anew.",
                f"Letter is {writer.value('Letter')!r}",
            )
        attempt.say("somebody opens a new tab")
        async with app.visit() as other:
            await Storage().hand_over(other)
            attempt.require(
                not await see(other, "Letter", MOMENT, value=short),
                "a new tab begins with an empty one",
                "A new tab shows a letter that was written in another one.",
                "",
            )
        async with written(attempt, app, tab, long) as writer:
            attempt.require(
                await see(writer, "Letter", value=long),
                "a long one, too",
                "A long letter is lost.",
                f"{LONG} letters were written, and {len(writer.value('Letter') or '')} are there",
            )


@asynccontextmanager
async def written(attempt: Attempt, app: Served, tab: Storage, text: str) -> AsyncIterator[Session]:
    """The page in which it was written: a moment later the server was started anew, and the page has come back."""
    async with app.visit() as writer:
        await tab.hand_over(writer)
        attempt.say(f"{len(text)} letters are written, and the server is started anew")
        await writer.set("Letter", value=text)
        await asyncio.sleep(PAUSE)
        tab.keep(writer)
        await app.ask(app.server.restart)
        await writer.wait_for(lambda session: session.closed is not None, timeout=SOON)
        await writer.reconnect()
        await tab.hand_over(writer)
        yield writer


async def basket(attempt: Attempt) -> None:
    async with _served(attempt) as app:
        attempt.say("Anna fills her basket at her desk")
        async with user(app, "anna") as desk:
            for name in ("ink", "paper"):
                await desk.set("Thing", value=name)
                await desk.click("Add")
            await see(desk, "Count", value=2)
            await asyncio.sleep(PAUSE)
        attempt.say("she goes on with her telephone")
        async with user(app, "anna") as telephone:
            attempt.require(
                await see(telephone, "Count", value=2),
                "her telephone shows what she chose at her desk",
                "On her telephone the basket is another one.",
                f"2 things were chosen, and Count is {telephone.value('Count')}",
            )
            await telephone.set("Thing", value="stamps")
            await telephone.click("Add")
            await see(telephone, "Count", value=3)
            await asyncio.sleep(PAUSE)
        attempt.say("Ben comes, and the server is started anew")
        async with user(app, "ben") as ben:
            attempt.require(
                not await see(ben, "Count", MOMENT, value=lambda count: bool(count)),
                "Ben's is his own",
                "Ben finds what Anna chose.",
                f"his Count is {ben.value('Count')}",
            )
        await app.ask(app.server.restart)
        async with user(app, "anna") as telephone:
            attempt.require(
                await see(telephone, "Count", value=3),
                "after a restart it is as it was",
                "After a restart the basket is empty.",
                f"3 things were chosen, and Count is {telephone.value('Count')}",
            )


@asynccontextmanager
async def user(app: Served, name: str) -> AsyncIterator[Session]:
    """A page of somebody who has logged in, in a tab of its own."""
    cookies = Cookies(app.server.url)
    await Login(name, PASSWORD).enter(app.server.url, {}, cookies)
    async with visit(app.server.url, cookies=cookies, timeout=SOON) as session:
        await Storage().hand_over(session)
        yield session


@asynccontextmanager
async def _served(attempt: Attempt) -> AsyncIterator[Served]:
    """The file as a server whose store lies in a folder of its own, with the same keys before and after a restart."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"SESSIONLAB_STORE": folder, "BOKEH_SECRET_KEY": secrets.token_urlsafe(32)}
        async with attempt.serve(env=env) as app:
            yield app


EXERCISES = [
    Exercise(
        "09-letter",
        "bring a long letter through a restart, and to nobody else",
        letter,
        (
            "What lives in the session, or anywhere in the process, is gone. Who outlives a process?",
            "The page does, with `recover_inputs`; but it keeps 4 KB at most. A store keeps more.",
            "`from sessionlab.harden import persist`, and `persist(letter)` after the widget is made.",
        ),
    ),
    Exercise(
        "09-basket",
        "give a user her own basket, wherever she is",
        basket,
        (
            "By default what is kept belongs to a tab. Her telephone is another one.",
            "Who she is the server knows: she has logged in. `persist` takes whole objects, and a key.",
            '`from sessionlab.harden import persist`, and `persist(basket, key="user")` after it is made.',
        ),
    ),
]
