"""Visitors of a hunt: a number of visits, and the end of their sessions."""

from __future__ import annotations

import asyncio
import threading
import time

from sessionlab.errors import SessionLabError
from sessionlab.hunt.look import explained
from sessionlab.hunt.scenario import Scenario
from sessionlab.serve import Server

TOGETHER = 4  # visitors at a time; more do not make a server faster
TOGETHER_WAITING = 12  # where a visitor mostly waits
SOON = 2.0  # seconds that callbacks which are due soon may take
A_WHILE = 1.2  # seconds in which tasks that outlive their session for a moment have ended


class Visitors:
    """Who visits ``server``.

    Attributes
    ----------
    urls : the pages; the visitors take turns on them.
    stay : seconds that a visitor stays besides what the interaction takes.
    linger : seconds of the server's clock that pass before sessions are discarded.
    pinned : sessions that stay from the beginning, such as that of ``--reuse-sessions``.
    notes : gains a line where visits failed.
    """

    def __init__(self, server: Server, scenario: Scenario, deadline: float, notes: list[str]):
        self.server, self.scenario, self.deadline, self.notes = server, scenario, deadline, notes
        self.urls = [url for route, url in server.urls.items() if not route.endswith("autoload.js")]
        self.stay, self.linger, self.pinned = 0.0, 0.0, 0
        self._number = 0
        self._asleep, self._in_vain = 0, 0  # tasks that sleep for ever again; how often their end was waited for

    def visit(self, number: int, together: int | None = None) -> None:
        """So many visits; raises what speaks against a hunt when more than half of them fail."""
        together = together or (TOGETHER_WAITING if self.stay else TOGETHER)
        failures = run(self._crowd(number, together))
        if len(failures) > number // 2:
            raise explained(self.server, failures[-1])
        if failures and len(self.notes) < 20:
            self.notes.append(f"{len(failures)} of {number} visits failed: {str(failures[-1]).splitlines()[0]}")

    async def _crowd(self, number: int, together: int) -> list[SessionLabError]:
        failures = []
        numbers = iter(range(self._number, self._number + number))
        self._number += number

        async def visitor():
            for each in numbers:
                try:
                    await self.scenario.visit(self.scenario.url(self.urls, each), self.stay)
                except (SessionLabError, OSError) as error:
                    failures.append(error)
                if len(failures) > number // 2:
                    return

        await asyncio.gather(*(visitor() for _ in range(min(together, number))))
        return failures

    def empty(self, patience: float) -> tuple:
        """Discard every session; those that are still there when none was let go for ``patience`` seconds."""
        probe, pause = self.server.probe, threading.Event()  # nobody sets it: it only waits
        last, left = time.monotonic(), None
        # what a visitor did last may still be on its way: Panel takes in an edit some 50 ms later
        while probe.ask("GET", "pace")["soon"] and time.monotonic() - last < SOON:
            pause.wait(0.02)
        if self.linger:
            self.pass_time(self.linger)
        last = time.monotonic()
        while True:
            probe.discard_unused()
            sessions = probe.sessions()
            if len(sessions) <= self.pinned:
                self._let_tasks_end()
                return ()
            if left is None or len(sessions) < left:
                last, left = time.monotonic(), len(sessions)
            if time.monotonic() - last > patience or time.monotonic() > self.deadline:
                return sessions
            pause.wait(0.1)

    def _let_tasks_end(self) -> None:
        """Wait for what sleeps a moment longer than its session. A leak of tasks is waited for twice, and no more."""
        begin, pause = time.monotonic(), threading.Event()
        while self._in_vain < 2 and (number := self.server.probe.ask("GET", "pace")["sleeping"]) > self._asleep:
            if time.monotonic() - begin > A_WHILE:
                self._asleep, self._in_vain = number, self._in_vain + 1
            pause.wait(0.05)

    def pass_time(self, seconds: float) -> None:
        """Let the server's clock go on by so many seconds at once."""
        self.server.probe.extend("observe.clock")
        self.server.probe.ask("POST", "pass_time", seconds=seconds, patience=60)


def run(coroutine):
    """Run a coroutine to its end, also from within a running event loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    result: list = []

    def work():
        try:
            result.append((asyncio.run(coroutine), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=work, name="sessionlab hunt", daemon=True)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value
