"""Let time pass in a served process, without waiting for it. Runs in the served process.

    server.pass_time(30)

What happens in those seconds is what the server itself does: its timers fire, its look for unused sessions runs, the
tasks of an application wake from ``asyncio.sleep``. Sessions without a connection age by these seconds only. The clock
of the machine is not touched: a thread that sleeps, a token's expiry and ``datetime.now()`` know nothing of it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any

import bokeh.server.session
from tornado.ioloop import IOLoop

from sessionlab.agent import aging

TICK = 0.001  # seconds after which what is due is surely due
STEP = 0.5  # seconds; what is due within one step happens in the order of its due times
TURNS = 5  # of the event loop in every step: a timer that fires wakes a task, which starts a callback


class Clock:
    """How far the server is ahead of the machine, in seconds."""

    def __init__(self):
        self.ahead = 0.0
        self.elapsed = 0.0  # by which the clocks of the time module are ahead besides: the loops read these
        self._moved = False
        self._machine = time.monotonic  # as it is before anything is moved
        self._ahead_of: set[int] = set()

    def install(self) -> None:
        """Bokeh counts the age of unused sessions by this clock alone from now on: a slow machine ages nobody."""
        stopped_at = bokeh.server.session.current_time()
        bokeh.server.session.current_time = lambda: stopped_at + 1000 * (self.ahead + self.elapsed)

    def _lead(self, loop) -> None:
        if id(loop) not in self._ahead_of:
            self._ahead_of.add(id(loop))
            loop.time = functools.partial(_later, loop.time, self)

    async def post_pass_time(self, ask) -> dict:
        # Tornado and asyncio each have a clock, and each computes delays by its own.
        self._lead(IOLoop.current())
        self._lead(asyncio.get_running_loop())
        left = ask.number("seconds")
        while left > 0:
            step = min(STEP, left)
            self.ahead += step
            left -= step
            for _ in range(TURNS):
                await asyncio.sleep(0)
        return {"ahead": self.ahead}

    async def post_elapse(self, ask) -> dict:
        """Let ``seconds`` pass from timer to timer, so that each fires when it is due, and as often.

        It ends early after ``most`` seconds of the machine. The clocks of the ``time`` module move along.
        Returns the ``seconds`` that have passed.
        """
        loop: Any = asyncio.get_running_loop()  # asyncio's own, with its list of timers
        if not self._moved:
            self._moved = True
            aging.move_clocks(lambda: self.elapsed)
        began, until = loop.time(), loop.time() + ask.number("seconds")
        stop = self._machine() + ask.number("most")
        while (now := loop.time()) < until and self._machine() < stop:
            # the loop looks for what is due once a turn; what has gone has its timer cancelled
            due = min((timer.when() for timer in loop._scheduled if not timer.cancelled()), default=until)
            self.elapsed += max(0.0, min(due, until) - now) + TICK
            for _ in range(TURNS):
                await asyncio.sleep(0)
        return {"seconds": loop.time() - began}


def _later(shown, clock: Clock) -> float:
    return shown() + clock.ahead


def install(agent) -> None:
    if "post_pass_time" not in agent.extra:
        clock = Clock()
        clock.install()
        agent.extra.update(post_pass_time=clock.post_pass_time, post_elapse=clock.post_elapse)
