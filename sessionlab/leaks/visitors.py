"""Visitors of a hunt: a number of visits, and the end of their sessions."""

from __future__ import annotations

import asyncio
import math
import threading
import time

from sessionlab.agent.watch import Watch
from sessionlab.client.scenario import Scenario
from sessionlab.errors import SessionLabError
from sessionlab.leaks.preflight import Pace, explained
from sessionlab.server import Server
from sessionlab.sync import run

TOGETHER = 4  # visitors at a time; more do not make a server faster
TOGETHER_WAITING = 12  # where a visitor mostly waits
SOON = 2.0  # seconds that callbacks which are due soon may take
A_WHILE = 3.0  # seconds in which work that outlives its session has mostly ended
LONG = 10.0  # seconds after which it is said that it never ends
LATE = 2.0  # seconds in which a server has noticed that somebody has hung up, however busy it is


class Visitors:
    """Who visits ``server``.

    Attributes
    ----------
    urls : the pages; the visitors take turns on them.
    pace : what one visit costs.
    linger : seconds of the server's clock that pass before sessions are discarded.
    unfinished : whether the time was up before it was known which work ends.
    waited : seconds after which work that outlived its session had ended, at most.
    pinned : sessions that stay from the beginning, such as that of ``--reuse-sessions``.
    notes : gains a line where visits failed.
    """

    def __init__(self, server: Server, scenario: Scenario, deadline: float, notes: list[str]):
        self.server, self.scenario, self.deadline, self.notes = server, scenario, deadline, notes
        self.urls = scenario.urls(server.urls)
        self.pace = Pace()
        self.linger, self.waited, self.pinned = 0.0, 0.0, 0
        self.unfinished = False
        self._held = 1  # connections that stay open whoever leaves: that of the question how many there are
        self._number = 0

    def visit(self, number: int, together: int | None = None) -> None:
        """So many visits; raises what speaks against a hunt when more than half of them fail."""
        together = 1 if self.pace.slow else together or (TOGETHER_WAITING if self.pace.stay else TOGETHER)
        most = self.pace.open_at_once  # those who have left count as well, until their sessions are discarded
        failures: list[SessionLabError | OSError] = []
        for begin in range(0, number, most):
            if begin:
                self.empty(SOON)
            failures += run(self._crowd(min(most, number - begin), together))
        if len(failures) > number // 2:
            raise explained(self.server, failures[-1])
        if failures and len(self.notes) < 20:
            self.notes.append(f"{len(failures)} of {number} visits failed: {str(failures[-1]).splitlines()[0]}")

    async def _crowd(self, number: int, together: int) -> list[SessionLabError | OSError]:
        failures: list[SessionLabError | OSError] = []
        numbers = iter(range(self._number, self._number + number))
        self._number += number

        async def visitor():
            for each in numbers:
                try:
                    await self.scenario.visit(self.urls[each % len(self.urls)], self.pace.stay)
                except (SessionLabError, OSError) as error:
                    failures.append(error)
                if len(failures) > number // 2:
                    return

        await asyncio.gather(*(visitor() for _ in range(min(together, number))))
        return failures

    def empty(self, patience: float) -> tuple:
        """Discard every session; those that are still there when none was let go for ``patience`` seconds."""
        probe, pause = self.server.probe, threading.Event()  # nobody sets it: it only waits
        left = None
        self._take_in()
        if self.linger:
            self.server.pass_time(self.linger)
        watch = Watch()
        while True:
            probe.discard_unused()
            sessions = probe.sessions()
            if len(sessions) <= self.pinned:
                return ()
            if left is None or len(sessions) < left:
                watch, left = Watch(), len(sessions)
            if watch.look() > patience or time.monotonic() > self.deadline:
                return sessions
            pause.wait(0.05)

    def _take_in(self) -> None:
        """Wait for what a visitor did last: Panel takes in an edit some 50 ms later."""
        watch, pause = Watch(), threading.Event()
        while self._ask_pace(0)["soon"] and watch.look() < SOON:
            pause.wait(0.02)

    def settle(self) -> None:
        """Wait until what visitors began has ended, though their pages stay open; not for what works on and on."""
        self._take_in()
        self.rest()

    def rest(self, seconds: float = A_WHILE) -> None:
        """Wait for what works a moment longer than its session; not for what has worked for so many seconds."""
        begin, pause = time.monotonic(), threading.Event()
        self._ask_pace(seconds, left=1)
        while self._ask_pace(seconds)["working"] and time.monotonic() < self.deadline:
            pause.wait(0.05)
        if not self._ask_pace(math.inf)["working"]:
            self.waited = max(self.waited, time.monotonic() - begin)
        self._hang_up()

    def _hang_up(self) -> None:
        """Wait until the server has closed the connections of who has left: one that closes late is no gain."""
        least, watch, pause = math.inf, Watch(), threading.Event()
        while (number := self._ask_pace(math.inf)["connections"]) > self._held:
            if number < least:
                least, watch = number, Watch()
            if watch.look() > LATE:
                self._held = number
            pause.wait(0.02)

    def outlast(self) -> int:
        """Wait long for what still works; how many have ended since the last window was closed."""
        self.rest(LONG)
        pace = self._ask_pace(LONG)
        self.unfinished = pace["working"] > 0
        return pace["ended"]

    def _ask_pace(self, seconds: float, left: int = 0) -> dict:
        return self.server.probe.ask("GET", "pace", older=seconds, left=left)
