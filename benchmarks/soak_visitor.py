"""One visitor of the soak: clicks, has the wire cut, reloads, leaves, comes back, and compares what the page shows."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sessionlab import visit
from sessionlab.client.protocol import Session
from sessionlab.errors import SessionLabError

PATIENCE = 240.0  # seconds in which a visitor must be served again, whatever has happened; the machine may be busy


@dataclass(frozen=True)
class Pace:
    """How long everything takes, in seconds; divided by ``faster`` for a short run."""

    lifetime: float = 60.0
    check: float = 10.0
    act: float = 12.0  # mean time between two things that a visitor does
    disturb: float = 60.0  # mean time between two things that happen to everybody

    def faster(self, by: float) -> Pace:
        return Pace(self.lifetime / by, self.check / by, self.act / by, self.disturb / by)


class Books:
    """What has been counted so far."""

    def __init__(self):
        self.did: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter(resumed=0, restarted=0)
        self.lost_clicks = self.lost_jobs = 0
        self.wrong: list[str] = []
        self.memory: list[tuple[float, float]] = []
        self.over = False  # the visitors may go home


class Fleet(Protocol):
    """What a visitor may know of the servers: where they are, and which of them (by pid) were ended, and how."""

    url: str
    ending: set[int]
    killed: Mapping[int, float]


class Visitor:
    """One visitor, who knows what the page has to show."""

    def __init__(self, fleet: Fleet, pace: Pace, chance: random.Random, books: Books):
        self._fleet, self._pace, self._chance, self._books = fleet, pace, chance, books
        self._session: Session | None = None
        self._cookies: dict[str, str] = {}

    async def live(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, self._pace.act))
        while not self._books.over:
            await self._open()
            while self._session is not None and not self._books.over:
                await self._once()
        if self._session is not None:
            await self._session.close()

    async def _once(self) -> None:
        """Look at the page for a while, then do something; come back when the wire has broken meanwhile."""
        pause = min(self._chance.expovariate(1 / self._pace.act), 4 * self._pace.act)
        with contextlib.suppress(SessionLabError):
            await self._session.wait_for(lambda session: session.closed, timeout=max(0.01, pause))
        if self._session.closed:
            return await self._come_back(time.monotonic())
        acts = (self._click, self._click_fast, self._job, self._blip, self._long_outage, self._reload, self._leave)
        (act,) = self._chance.choices(acts, weights=(40, 10, 8, 20, 2, 12, 8))
        await act()

    async def _open(self) -> None:
        since = time.monotonic()
        while True:
            try:
                self._session = await visit(self._fleet.url, cookies=self._cookies, timeout=PATIENCE)
                break
            except (SessionLabError, OSError) as error:
                self._books.did["pages refused"] += 1
                if time.monotonic() - since > PATIENCE:
                    self._books.wrong.append(f"no page in {PATIENCE:g} s: {error!s:.200}")
                    since = time.monotonic()
                await asyncio.sleep(0.5)
        self._cookies = dict(self._session.page.cookies)
        self._books.did["pages"] += 1
        self._starts_anew()

    def _starts_anew(self) -> None:
        self._born = self._session.value("born")
        # What the server has taken.
        self._count, self._done = self._session.value("count"), self._session.value("done")
        self._unsure = self._unsure_jobs = 0  # what it may have taken when the wire broke

    # -- what a visitor does -------------------------------------------------------------------------------------------

    async def _click(self, times: int = 1) -> None:
        for _ in range(times):
            self._unsure += 1
            try:
                await self._session.click("add one")
            except SessionLabError as error:
                if not self._session.closed:
                    self._books.wrong.append(f"a click got no answer: {error!s:.200}")
                    await self._reload()
                return
            self._unsure -= 1
            self._count += 1
            self._books.did["clicks"] += 1
        await self._shows("count", self._count, "lost_clicks")

    async def _click_fast(self) -> None:
        await self._click(times=5)

    async def _job(self) -> None:
        """Start a job, and often lose the wire before it is done."""
        self._unsure_jobs += 1
        with contextlib.suppress(SessionLabError):
            await self._session.click("work")
            self._unsure_jobs -= 1
            self._done += 1
            self._books.did["jobs"] += 1
            if self._chance.random() < 0.5:
                return await self._outage(self._chance.uniform(0.05, 0.9) * self._pace.lifetime)
            await self._shows("done", self._done, "lost_jobs")

    async def _shows(self, name: str, value: int, lost: str) -> None:
        with contextlib.suppress(SessionLabError):
            await self._session.wait_for(name, value=value, timeout=PATIENCE)
        if not self._session.closed and (seen := self._session.value(name)) != value:
            setattr(self._books, lost, getattr(self._books, lost) + abs(value - seen))
            await self._reload()

    async def _blip(self) -> None:
        await self._outage(self._chance.uniform(0, 0.8) * self._pace.lifetime)

    async def _long_outage(self) -> None:
        await self._outage(1.3 * self._pace.lifetime + self._pace.check)

    async def _outage(self, seconds: float) -> None:
        self._books.did["outages"] += 1
        broken = time.monotonic()
        await self._session.drop()
        await asyncio.sleep(seconds)
        await self._come_back(broken)

    async def _reload(self) -> None:
        self._books.did["reloads"] += 1
        await self._session.close()
        self._session = None

    async def _leave(self) -> None:
        """Close the tab and come back later in another one, as a new visitor for the server."""
        self._books.did["visitors left"] += 1
        await self._session.close()
        self._session, self._cookies = None, {}
        await asyncio.sleep(2 * self._pace.act)

    # -- coming back ---------------------------------------------------------------------------------------------------

    async def _come_back(self, broken: float) -> None:
        """Reconnect as `harden.reconnect` does, and compare what is found, and what is told, with what must be."""
        pid, since = int(self._born.partition("-")[0]), time.monotonic()
        while True:
            ended = pid in self._fleet.ending
            must_have_ended = pid in self._fleet.killed
            try:
                await self._session.reconnect()
                break
            except (SessionLabError, OSError) as error:
                if time.monotonic() - since > PATIENCE:
                    self._books.wrong.append(f"no reconnect in {PATIENCE:g} s: {error!s:.200}")
                    self._session = None
                    return
                await asyncio.sleep(0.6 * self._chance.uniform(0.6, 1.4))
        outage = time.monotonic() - broken
        may_have_ended = ended or pid in self._fleet.ending or outage > 0.9 * self._pace.lifetime
        # A session in which a job ran is kept a little longer than its lifetime.
        must_have_ended = must_have_ended or outage > PATIENCE + 1.5 * self._pace.lifetime
        born = self._session.value("born")
        found = "resumed" if born == self._born else "restarted"
        self._books.outcomes[found] += 1
        moved = found == "restarted" and not born.startswith(f"{pid}-")
        if found == "restarted" and not may_have_ended:
            where = "another server" if moved else "the same server"
            self._books.wrong.append(f"restarted in {where} after {outage:.1f} s, though the server lived")
        if found == "resumed" and must_have_ended:
            self._books.wrong.append(f"resumed after {outage:.1f} s, though the session had ended")
        # The other server may still have a session of this page, from an earlier move: it rightly says "resumed".
        if (told := await self._told()) not in (found, None) and not (moved and told == "resumed"):
            self._books.wrong.append(f"told {told!r}, found {found!r}")
        if found == "restarted":
            self._starts_anew()
        else:
            await self._settle()

    async def _told(self) -> str | None:
        """What the page was told, if the wire held until then."""

        def outcomes(session: Session) -> list[str]:
            said = [data for name, data in session.document.messages if name == "sessionlab_reconnect"]
            return [data["outcome"] for data in said if "outcome" in data]

        with contextlib.suppress(SessionLabError):
            await self._session.wait_for(lambda session: bool(outcomes(session)), timeout=PATIENCE)
        if told := outcomes(self._session):
            return told[-1]
        return None if self._session.closed else "nothing"

    async def _settle(self) -> None:
        """In the old session: everything that the server had taken is there; of the rest nobody knows."""
        for name, least, most, lost in (
            ("count", self._count, self._count + self._unsure, "lost_clicks"),
            ("done", self._done, self._done + self._unsure_jobs, "lost_jobs"),
        ):
            with contextlib.suppress(SessionLabError):
                await self._session.wait_for(name, value=lambda value, least=least: value >= least, timeout=PATIENCE)
            if self._session.closed:
                return
            seen = self._session.value(name)
            if not least <= seen <= most:
                setattr(self._books, lost, getattr(self._books, lost) + abs(least - seen))
        # What may still be on its way must not be taken for a loss or a gain later.
        if self._unsure or self._unsure_jobs:
            await self._reload()
        else:
            self._count, self._done = self._session.value("count"), self._session.value("done")
