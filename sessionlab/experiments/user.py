"""One user of an experiment: with a page in a browser, or by Bokeh's protocol alone.

Both have the same verbs, so that an experiment can be read without knowing which of the two it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import time
from collections.abc import Callable

from sessionlab.client import visit
from sessionlab.client.browser import Browser
from sessionlab.client.cookies import Cookies
from sessionlab.client.login import Login
from sessionlab.client.page import TOKEN, read_token
from sessionlab.client.storage import Storage
from sessionlab.disturb import Outage
from sessionlab.errors import InvalidOption, SessionLabError, VisitFailed
from sessionlab.experiments.plans import Plan
from sessionlab.lifetimes import CHECK, LIFETIME
from sessionlab.server import Server

SILENCE, SETTLED = 0.2, 2.0  # seconds without a message after which an edit is taken in, and how long that may take
LOGGED = 60.0  # seconds in which a line has come
PATIENCE = 20.0  # seconds in which a page that can come back has come back
FAILED_ATTEMPT = ("WebSocket connection", "Failed to connect", "ERR_CONNECTION_REFUSED")  # `attempts` tells of them
TOLD = 5.0  # seconds in which a page that is back has said so


class User:
    """What both kinds share: a ``name``, the ``server``, and the ``wire`` between them, an `Outage`."""

    def __init__(self, plan: Plan, server: Server):
        self.plan, self.name, self.server, self.wire = plan, plan.name, server, Outage(server)
        self.url = self.wire.url + plan.suffix
        self._had: object = None  # the process and the number of the session in which she last did something, its id
        self._id = ""
        self.came = self._read = server.log.written  # lines of the server's log when she came; and that are behind her
        self._line = ""

    async def note(self, what: str | Callable):
        """What is to be seen now: see `Users.note`."""
        if callable(what):
            found = what(self)
            return await found if hasattr(found, "__await__") else found
        looks = {
            "session": self._session,
            "blocks": self._blocks,
            "log": self._newest_line,
            "attempts": self.attempts,
            "notice": self.notice,
            "console": self.console,
        }
        return await looks[what]() if what in looks else await self.value(what)

    async def session_id(self) -> str:
        raise NotImplementedError

    async def value(self, name: str):
        raise NotImplementedError

    async def attempts(self) -> list[int]:
        raise _only_a_browser("attempts")

    async def notice(self) -> str:
        raise _only_a_browser("notice")

    async def console(self) -> str:
        raise _only_a_browser("console")

    # -- her session, by the server's word --------------------------------------------------------------------------

    async def remember(self) -> None:
        """Take the session that she has now for hers."""
        row = await self._row()
        self._had, self._id = row and (self.server.pid, row.session), await self.session_id()

    async def _row(self):
        """What the server knows of the session under her id; None if it has no such session."""
        name = await self.session_id()
        rows = await asyncio.to_thread(self.server.probe.sessions)
        return next((row for row in rows if row.id == name), None)

    async def _session(self) -> str:
        row = await self._row()
        if row is None:
            return "ended"
        same_id = ", under the same id" if row.id == self._id else ""
        return "the same" if (self.server.pid, row.session) == self._had else f"another{same_id}"

    async def _blocks(self) -> str:
        row = await self._row()
        return "ended" if row is None else str(row.blocks)

    async def expired(self) -> None:
        end = time.monotonic() + self._overdue + PATIENCE
        while row := await self._row():
            if time.monotonic() > end:
                why = f"{row.connections} connections, and {row.blocks} blocks of its expiration."
                raise VisitFailed(f"The session of {self.name} does not end.", why=why)
            await self._follow(0.05)

    async def lifetime_passed(self) -> None:
        end = time.monotonic() + self._overdue
        while (left := end - time.monotonic()) > 0:
            await self._follow(left)

    @property
    def _overdue(self) -> float:
        """Seconds after which a session without a connection has been discarded: a lifetime and three checks."""
        options = {"lifetime": LIFETIME, "check": CHECK, **self.plan.options}
        return options["lifetime"] + 3 * options["check"]

    async def _follow(self, seconds: float) -> None:
        """Until something happens on the server, or seconds have passed."""
        await asyncio.to_thread(lambda: next(iter(self.server.probe.follow(timeout=seconds)), None))

    async def pass_time(self, seconds: float) -> None:
        await asyncio.to_thread(self.server.pass_time, seconds)

    # -- the server's log -------------------------------------------------------------------------------------------

    async def logged(self, text: str, times: int) -> None:
        log = self.server.log
        for _ in range(times):
            try:
                self._line, self._read = await asyncio.to_thread(log.wait_for_next, text, self._read, LOGGED)
            except TimeoutError as error:
                raise VisitFailed(f"{error}.", why=log.tail()) from None

    async def _newest_line(self) -> str:
        return self._line

    def restore(self) -> None:
        self.wire.restore()


class BrowserUser(User):
    """A user with a page in Chromium: ``tab`` is the `Tab`."""

    async def come(self, browser: Browser, clock: bool) -> None:
        self.clock = clock
        self.tab = await browser.open(self.url, clock=clock)
        self._before = len(self.tab.sockets)  # websockets that the page had asked for when its wire broke,
        self._said = len(self.tab.console)  # and lines that its console had; their times are none of the page's clock
        await self.remember()

    async def session_id(self) -> str:
        return (await self._token()).get("session_id", "")

    async def _token(self) -> dict:
        found = TOKEN.search(await self.tab.page.content())
        return read_token(found[1]) if found else {}

    async def token_expired(self) -> None:
        left = (await self._token()).get("session_expiry", 0.0) - time.time()  # whole seconds: the one that runs counts
        await self.tab.page.wait_for_timeout(1000 * max(0.0, left + 1))

    # -- what she does ----------------------------------------------------------------------------------------------

    async def click(self, label: str) -> None:
        await self._and_wait_for_the_answer(self.tab.click(label))

    async def fill(self, name: str, value) -> None:
        await self._and_wait_for_the_answer(self.tab.fill(name, str(value)))

    async def click_notice(self) -> None:
        await self.tab.click_toast()

    async def reload(self) -> None:
        await self.tab.load(self.url)

    async def wait(self, seconds: float) -> None:
        if self.clock:
            await self.tab.fast_forward(seconds)
        else:
            await self.tab.page.wait_for_timeout(1000 * seconds)

    async def _and_wait_for_the_answer(self, doing) -> None:
        await self.remember()
        await doing
        if self.clock:
            await self.wait(1)  # what the page does a moment later
        await self.tab.settle(at_most=PATIENCE)

    # -- what happens to her ----------------------------------------------------------------------------------------

    async def cut(self) -> None:
        await self._lose(self.wire.cut)

    async def refuse(self) -> None:
        await self._lose(self.wire.refuse)

    async def brace(self) -> None:
        tab = self.tab
        await tab.settle()  # a wire that breaks within a message leaves BokehJS unable to come back
        self._before, self._said = len(tab.sockets), len(tab.console)

    async def lost(self) -> None:
        await self.tab.wait_for(lambda: self.tab.sockets[self._before - 1].closed, PATIENCE)

    async def _lose(self, break_it: Callable[[], None]) -> None:
        await self.brace()
        tab, said = self.tab, len(self.tab.toasts)
        break_it()
        await tab.wait_for(lambda: tab.sockets[self._before - 1].closed)
        with contextlib.suppress(VisitFailed):  # the application may tell its users nothing
            await tab.wait_for(lambda: len(tab.toasts) > said, 1.0)

    async def reconnected(self) -> None:
        tab = self.tab

        def connected() -> float | None:
            newest = tab.sockets[-1]
            return newest.answered if len(tab.sockets) > self._before and newest.closed is None else None

        back = await tab.wait_for(connected, PATIENCE)

        def told() -> bool:
            failed = any("[bokeh" in text for text in self._errors())
            return failed or any(toast.at >= back and toast.what != "gone" for toast in tab.toasts)

        if tab.toasts:
            with contextlib.suppress(VisitFailed):  # the table shows which notice stayed
                await tab.wait_for(told, TOLD)
        await tab.settle()

    # -- what she sees ----------------------------------------------------------------------------------------------

    async def value(self, name: str):
        shown = await self.tab.shown(name)
        return _plain(shown) if isinstance(shown, str) else shown

    async def wait_for(self, name: str, value) -> None:
        async def seen() -> bool:
            found = await self.value(name)
            return bool(value(found)) if callable(value) else found == value

        await self.tab.wait_for(seen, PATIENCE)

    async def attempts(self) -> list[int]:
        """Seconds from the loss of the wire to each attempt to reconnect."""
        sockets = self.tab.sockets
        lost = sockets[self._before - 1].closed
        return [] if lost is None else [round(attempt.at - lost) for attempt in sockets[self._before :]]

    async def notice(self) -> str:
        """The newest notification; a countdown in it as N seconds."""
        newest = next((toast.text for toast in reversed(self.tab.toasts) if toast.what != "gone"), "")
        return re.sub(r"\bin \d+ seconds?\b", "in N seconds", newest)

    async def console(self) -> str:
        """The first error since the wire was lost, the failed attempts left out; numbers of models as pN."""
        first = next(iter(self._errors()), "")
        return re.sub(r"\bp\d+\b", "pN", first.partition("\n")[0])

    def _errors(self) -> list[str]:
        errors = [message.text for message in self.tab.console[self._said :] if message.level == "error"]
        return [text for text in errors if not any(words in text for words in FAILED_ATTEMPT)]

    async def leave(self) -> None:
        await self.tab.close()


class ProtocolUser(User):
    """A user without a browser: ``session`` is the `Session`, and ``storage`` what her tab keeps for the next one."""

    async def come(self) -> None:
        self.storage, self._cookies = Storage(), Cookies(self.url)
        if self.plan.login:
            await Login(self.name.partition(" ")[0], self.plan.login).enter(self.url, {}, self._cookies)
        self._clicks: list[asyncio.Task] = []
        await self._open()
        await self.remember()

    async def _open(self) -> None:
        self.session = await visit(self.url, cookies=self._cookies)
        await self.storage.hand_over(self.session)

    async def session_id(self) -> str:
        return self.session.id

    async def click(self, label: str) -> None:
        await self.remember()
        await self.session.click(label)
        await self._settle()

    async def begin(self, label: str) -> None:
        await self.remember()
        self._clicks.append(asyncio.create_task(self.session.click(label)))

    async def fill(self, name: str, value) -> None:
        await self.remember()
        await self.session.set(name, value=value)
        await self._settle()

    async def _settle(self) -> None:
        """Until the server sends nothing more: Panel takes in an edit a moment after its answer."""
        end, seen = time.monotonic() + SETTLED, -1
        while seen != self.session.patches and time.monotonic() < end:
            seen = self.session.patches
            await asyncio.sleep(SILENCE)

    async def reload(self) -> None:
        self.storage.keep(self.session)
        await self.session.close()
        await self._open()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def cut(self) -> None:
        self.wire.cut()
        await self.lost()

    async def refuse(self) -> None:
        self.wire.refuse()
        await self.lost()

    async def brace(self) -> None:
        self.storage.keep(self.session)

    async def lost(self) -> None:
        await self.session.wait_for(lambda session: session.closed is not None, timeout=PATIENCE)

    async def reconnected(self) -> None:
        self.storage.keep(self.session)
        await self.session.reconnect()
        await self.storage.hand_over(self.session)
        await self.session.roundtrip()

    async def value(self, name: str):
        value, text = self.session.value(name), self.session.value(name, "text")
        return value if value is not None or text is None else _plain(text)

    async def wait_for(self, name: str, value) -> None:
        await self.session.wait_for(name, value=value, timeout=PATIENCE)

    async def leave(self) -> None:
        await self.session.close()
        await asyncio.gather(*self._clicks, return_exceptions=True)


def _plain(text: str) -> str:
    """The words of a text that may be HTML, as a user reads them."""
    return html.unescape(re.sub(r"<[^>]*>", " ", html.unescape(text))).strip()


def _only_a_browser(what: str) -> SessionLabError:
    return InvalidOption(f"{what!r} is what a page shows.", advice="give the experiment browser=True.")
