"""Open more and more sessions, keep them open, and look at what the server makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import psutil

from sessionlab.capacity.advice import Wanted
from sessionlab.capacity.result import Load, Step
from sessionlab.client.content import has_content
from sessionlab.client.protocol import Session
from sessionlab.client.scenario import Scenario
from sessionlab.errors import AppFailed, InvalidOption, SessionLabError
from sessionlab.programs import nothing_to_look_at
from sessionlab.server import Server, serve
from sessionlab.sync import run

STEPS = 10
WARM = 5  # visits before anything is measured: what they load stays, and belongs to no session
ASKED = 20  # open pages whose roundtrip is measured at each step
SPARE = 300e6  # bytes that this machine must have left


def load(
    app=(),
    *,
    command: str | Sequence[str] | None = None,
    visitors: int = 100,
    rate: float | None = None,
    stay: float = 600.0,
    outage: float = 30.0,
    memory: float = 2 * 2**30,
    max_seconds: float = 120.0,
    scenario: Scenario | None = None,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    progress: Callable[[str, float], None] = lambda phase, part: None,
) -> Load:
    """Find out how many sessions of ``app`` a process and a gigabyte hold.

    Sessions are opened, in ten steps, and stay open: without a browser, each with a websocket, each having seen its
    document. After each step the memory, the time to build a page and the time for an answer are measured.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a program that serves.
    command : starts the application instead, as for `sessionlab.serve`.
    visitors : how many sessions to open, at least 2.
    rate : visits a second that you expect. They arrive at this rate then; else as fast as the server builds.
    stay, outage : seconds that a page stays open, and seconds of the longest outage that a user is to survive.
    memory : bytes of the container that a process is to live in.
    max_seconds : after so many no further step is begun.
    scenario : who the visitors are, and which page they open (the first of its pages); by default the first page.
    framework, panel_args : as for `sessionlab.serve`; by default told from the source.
    progress : is called with a phase and the part that is done.

    It ends early, and says why, when the machine runs short of memory, when the application refuses visitors, or when
    its process ends. Raises InvalidOption before anything is started, what `serve` raises, and AppFailed if not even
    the first step could be made. Nothing is left running.
    """
    wanted = Wanted(rate, stay, outage, memory)
    if not (isinstance(visitors, int) and visitors >= 2 and max_seconds > 0):
        raise InvalidOption(
            f"visitors={visitors!r}, max_seconds={max_seconds!r} cannot be used.",
            advice="give at least 2 visitors, and seconds above 0.",
        )
    began = time.perf_counter()
    with serve(
        app,
        command=command,
        lifetime=3600,
        check=600,
        framework=framework,
        panel_args=panel_args,
        preload=False,
    ) as server:
        crowd = _Crowd(server, scenario or Scenario(), visitors, rate, began + max_seconds, progress)
        steps, stopped = run(crowd.grow())
    return Load(", ".join(server.apps), tuple(steps), time.perf_counter() - began, stopped, wanted)


class _Crowd:
    """The visitors of one test, who come and stay."""

    def __init__(self, server: Server, scenario: Scenario, visitors: int, rate: float | None, ends: float, progress):
        self._server, self._visitors, self._rate, self._ends, self._progress = server, visitors, rate, ends, progress
        self._scenario, self._url = scenario, scenario.urls(server.urls)[0] if scenario.pages else server.url
        self._sessions: list[Session] = []

    async def grow(self) -> tuple[list[Step], str]:
        try:
            return await self._grow()
        finally:
            await asyncio.gather(*(session.drop() for session in self._sessions))

    async def _grow(self) -> tuple[list[Step], str]:
        await self._come(WARM)
        if not await has_content(self._sessions[0]):
            raise nothing_to_look_at(urlsplit(self._url).path, self._server.apps)
        for session in self._sessions:
            await session.close()
        self._sessions.clear()
        await asyncio.to_thread(self._server.probe.discard_unused)
        steps, stopped = [await self._look(None)], ""
        targets = sorted({max(1, round(self._visitors * n / STEPS)) for n in range(1, STEPS + 1)})
        for target in targets:
            self._progress(f"{target} sessions", target / self._visitors)
            since = (await asyncio.to_thread(self._server.probe.timeline, since=1 << 60)).next
            try:
                await self._come(target - len(self._sessions))
                steps.append(await self._look(since))
            except (SessionLabError, OSError) as failure:
                stopped = self._why(failure)
                break
            if target < self._visitors and (stopped := self._enough(steps)):
                break
        if len(steps) < 2:
            raise AppFailed(
                "Not even the first visitors could be served.", why=stopped, advice="look at the app's log."
            )
        return steps, stopped

    async def _come(self, number: int) -> None:
        """So many visitors more: at the rate, or one after another."""
        begin = time.perf_counter()
        if self._rate is None:
            for _ in range(number):
                self._sessions.append(await self._scenario.enter(self._url))
            return

        rate = self._rate

        async def one(place: int) -> None:
            await asyncio.sleep(max(0.0, begin + place / rate - time.perf_counter()))
            self._sessions.append(await self._scenario.enter(self._url))

        await asyncio.gather(*(one(place) for place in range(number)))

    async def _look(self, since: int | None) -> Step:
        census = await asyncio.to_thread(self._server.probe.census, settle=True)
        asked = self._sessions[:: max(1, len(self._sessions) // ASKED)]
        trips = [await session.roundtrip() for session in asked]
        if since is None:
            return Step(0, census.rss, None, None, None)
        timeline = await asyncio.to_thread(self._server.probe.timeline, since=since)
        built = [event["seconds"] for event in timeline.events if event["event"] == "created"]
        return Step(
            len(self._sessions), census.rss, statistics.median(built), max(built), statistics.median(trips)
        )  # fmt: skip

    def _enough(self, steps: list[Step]) -> str:
        """Why no further step is made; empty if one may be."""
        if time.perf_counter() > self._ends:
            return "the time was over."
        grew = max(0, steps[-1].memory - steps[-2].memory)
        if psutil.virtual_memory().available < SPARE + 2 * grew:
            return "this machine has no memory left for more."
        return ""

    def _why(self, failure: Exception) -> str:
        with contextlib.suppress(TimeoutError):  # the connection breaks a moment before the end is noticed
            return f"the process ended with exit code {self._server.wait(3)}."
        return f"visitor {len(self._sessions) + 1}: {str(failure).partition(chr(10))[0]}"
