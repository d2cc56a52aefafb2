"""Visitors of the deploys: they edit all the time, note what the server has taken, and look at what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sessionlab import visit
from sessionlab.client.browser import Browser
from sessionlab.client.storage import Storage
from sessionlab.errors import SessionLabError

KEPT = 0.2  # seconds after which an edit that the server has taken must not be lost
SOON = 3.0  # seconds in which a new session must show what an earlier one had
PATIENCE = 30.0  # seconds in which a page comes back by itself; its user loads it anew then
APART = 100_000  # the numbers that one visitor enters are this far from those of the next


@dataclass
class Books:
    """What the visitors of one way have counted.

    ``back`` and ``restored`` are seconds from the end of a server until a page has another session, and all its values.
    """

    edits: int = 0
    returns: int = 0
    reloads: int = 0
    due: int = 0
    lost: int = 0
    others: int = 0
    wrong: list[str] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    restored: dict[str, list[float]] = field(default_factory=lambda: {"kill": [], "restart": []})
    over: bool = False


class Fleet(Protocol):
    """What a visitor may know of the servers: the address, and when (monotonic) which process was killed."""

    url: str
    killed: Mapping[int, float]


class Page(Protocol):
    """A page of the application, with a browser or without."""

    fields: tuple[str, ...]

    async def open(self) -> None: ...

    async def enter(self, name: str, value: str | int) -> None:
        """Returns when the server has taken it; raises SessionLabError when that is not known."""

    async def broken(self, seconds: float) -> bool:
        """Whether the connection is lost, within so many seconds."""

    async def back(self, born: str) -> None:
        """Returns when the page shows a session, another one than ``born`` if it can be; raises after `PATIENCE`."""

    async def read(self, name: str) -> str | int | None:
        """What the server has of it."""

    async def session(self) -> str:
        """Whose session the page shows: process and number."""

    async def close(self) -> None: ...


class ProtocolPage:
    """A page without a browser, which comes back as `harden.reconnect` does."""

    fields = ("note", "number")

    def __init__(self, url: str, chance: random.Random):
        self._url, self._chance, self._storage = url, chance, Storage()
        self._cookies: dict[str, str] = {}

    async def open(self) -> None:
        self._session = await visit(self._url, cookies=self._cookies, timeout=PATIENCE)
        self._cookies = dict(self._session.page.cookies)
        await self._storage.hand_over(self._session)

    async def enter(self, name: str, value: str | int) -> None:
        await self._session.set(name, value=value)

    async def broken(self, seconds: float) -> bool:
        with contextlib.suppress(SessionLabError):
            await self._session.wait_for(lambda session: bool(session.closed), timeout=seconds)
        return bool(self._session.closed)

    async def back(self, born: str) -> None:
        self._storage.keep(self._session)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self._session.reconnect()
                    await self._storage.hand_over(self._session)
                    return
                except (SessionLabError, OSError):
                    await asyncio.sleep(0.6 * self._chance.uniform(0.6, 1.4))

    async def read(self, name: str) -> str | int | None:
        return self._session.value(name)

    async def session(self) -> str:
        return _whose(self._session.value("seen"))

    async def close(self) -> None:
        await self._session.close()


class BrowserPage:
    """A page in Chromium. What its server has of the note, the field "seen" shows: old text may stand on a page."""

    fields = ("note",)

    def __init__(self, url: str, browser: Browser):
        self._url, self._browser, self._tab = url, browser, None

    async def open(self) -> None:
        if self._tab is None:
            self._tab = await self._browser.open(self._url, timeout=PATIENCE)
        else:
            await self._tab.load(self._url, timeout=PATIENCE)
        self._known = len(self._tab.sockets)

    async def enter(self, name: str, value: str | int) -> None:
        await self._tab.fill(name, str(value))

        async def taken() -> bool:
            return self._lost or await self.read("note") == value

        await self._tab.wait_for(taken, timeout=PATIENCE)
        if self._lost:
            raise SessionLabError("The connection was lost before the server had answered.")

    @property
    def _lost(self) -> bool:
        """Whether the connection that was last known is lost: the page may have another one already."""
        return len(self._tab.sockets) > self._known or self._tab.sockets[-1].closed is not None

    async def broken(self, seconds: float) -> bool:
        with contextlib.suppress(SessionLabError):
            await self._tab.wait_for(lambda: self._lost, timeout=seconds)
        return self._lost

    async def back(self, born: str) -> None:
        async def shown() -> bool:
            newest = self._tab.sockets[-1]
            if newest.closed is not None or newest.answered is None:
                return False
            longer = time.monotonic() - (self._tab.began + newest.answered) > SOON  # then it is the session that it had
            return longer or await self.session() not in (born, "")

        await self._tab.wait_for(shown, timeout=PATIENCE)
        self._known = len(self._tab.sockets)

    async def read(self, name: str) -> str | int | None:
        return (await self._tab.value("seen") or "").partition(" ")[2]

    async def session(self) -> str:
        return _whose(await self._tab.value("seen"))

    async def close(self) -> None:
        await self._tab.close()


def _whose(seen: str | None) -> str:
    return (seen or "").partition(" ")[0]


class Visitor:
    """One visitor, who knows what she has entered."""

    def __init__(self, number: int, page: Page, fleet: Fleet, books: Books, chance: random.Random, pause: float):
        self._number, self._page, self._fleet, self._books = number, page, fleet, books
        self._chance, self._pause = chance, pause
        self._serials = itertools.count(1)
        self._sent = 0
        self._taken: dict[str, list[tuple[int, float]]] = {name: [(0, 0.0)] for name in page.fields}  # serial, when

    async def come(self) -> None:
        await self._page.open()
        self._born = await self._page.session()

    async def live(self) -> None:
        while not self._books.over:
            if await self._page.broken(self._chance.uniform(0.5, 1.5) * self._pause):
                await self._return(time.monotonic())
            else:
                with contextlib.suppress(SessionLabError):  # then it is broken, and what was entered may be there
                    await self._edit(self._chance.choice(self._page.fields))
        await self._page.close()

    async def _edit(self, name: str) -> None:
        self._sent = next(self._serials)
        await self._page.enter(name, self._value(name, self._sent))
        self._taken[name].append((self._sent, time.monotonic()))
        self._books.edits += 1

    def _value(self, name: str, serial: int) -> str | int:
        return f"{self._number}:{serial}" if name == "note" else self._number * APART + serial

    async def _serial(self, name: str) -> int:
        """The serial number of what the page shows; 0 for nothing. Raises ValueError for what she never entered."""
        value = await self._page.read(name)
        if not value:
            return 0
        number, serial = map(int, value.split(":")) if name == "note" else divmod(value, APART)
        if number != self._number:
            self._books.others += 1
            raise ValueError(f"visitor {self._number} was shown what {number} had entered")
        if serial > self._sent:
            raise ValueError(f"visitor {self._number} was shown {value!r}, and had never entered it")
        return serial

    async def _return(self, noticed: float) -> None:
        """The connection is lost: come back, and compare what is shown with what had been taken."""
        try:
            await self._page.back(self._born)
        except (SessionLabError, TimeoutError):
            await self._reload()
        born = await self._page.session()
        if born == self._born:
            return
        pid = int(self._born.partition("-")[0])
        broken = self._fleet.killed.get(pid, noticed)
        self._books.returns += 1
        self._books.back.append(time.monotonic() - broken)
        due = {
            name: max(serial for serial, when in taken if when <= broken - KEPT) for name, taken in self._taken.items()
        }
        newest = {name: max(serial for serial, _ in taken) for name, taken in self._taken.items()}
        try:
            shown = await self._restored(due)
        except ValueError as error:
            self._books.wrong.append(str(error))
            shown = due
        # what was on its way when the wire broke may have been taken by the new session as well: it tells nothing
        due = {name: serial for name, serial in due.items() if serial > 0 and shown[name] <= newest[name]}
        if due:
            late = [name for name in due if shown[name] < due[name]]
            self._books.due += len(due)
            self._books.lost += len(late)
            if not late:
                how = "kill" if pid in self._fleet.killed else "restart"
                self._books.restored[how].append(time.monotonic() - broken)
        self._taken = {name: [(serial, 0.0)] for name, serial in shown.items()}
        self._born = born

    async def _reload(self) -> None:
        """As a user does whose page does not come back."""
        self._books.reloads += 1
        with contextlib.suppress(SessionLabError):  # a page that comes while its server ends: once more
            return await self._page.open()
        await self._page.open()

    async def _restored(self, due: dict[str, int]) -> dict[str, int]:
        """What the page shows when it shows all that is due, or after `SOON` seconds."""
        end = time.monotonic() + SOON
        while True:
            shown = {name: await self._serial(name) for name in due}
            if all(shown[name] >= due[name] for name in due) or time.monotonic() > end:
                return shown
            if await self._page.broken(0.02):  # lost again: what is shown now is all that this session had to show
                return shown
