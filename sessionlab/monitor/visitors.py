"""Visitors without a browser who stay: they open the page, keep the websocket, and come back when the wire was cut.

Runs in the monitor's process, in an event loop and a thread of its own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from dataclasses import dataclass

from sessionlab.client import visit
from sessionlab.errors import SessionLabError

AT_ONCE = 4  # pages asked for at the same time; more of them make a server slower, not faster
BACKOFF = (0, 2, 4, 8, 16)  # seconds before each attempt to come back, as BokehJS waits
MOST = 500  # visitors at a time
ENDED_ON_PURPOSE = 1000  # the close code of a session that was ended, not lost


@dataclass(frozen=True)
class Present:
    """How many visitors are ``waiting`` for their page, ``connected``, coming ``back``; why the last one failed."""

    waiting: int = 0
    connected: int = 0
    back: int = 0
    failed: int = 0
    why: str = ""

    @property
    def all(self) -> int:
        return self.waiting + self.connected + self.back

    def __str__(self) -> str:
        parts = [(self.waiting, "on the way"), (self.connected, "connected"), (self.back, "trying to come back")]
        parts.append((self.failed, f"failed: {self.why}" if self.why else "failed"))
        return ", ".join(f"{number} {what}" for number, what in parts if number) or "none"


class Visitors:
    """Visitors on the page at ``url``. Every method may be called from any thread; `present` says how they are."""

    def __init__(self, url: str):
        self.url, self.present = url, Present()
        self._tasks: dict[asyncio.Task, str] = {}
        self._failed, self._why = 0, ""
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # a thread that prints spoils a log
        self._door = asyncio.Semaphore(AT_ONCE)
        self._thread = threading.Thread(target=self._loop.run_forever, name="sessionlab visitors", daemon=True)
        self._thread.start()

    def open(self, number: int) -> None:
        """Let ``number`` more visitors come, up to 500 in all."""
        self._loop.call_soon_threadsafe(self._open, number)

    def leave(self) -> None:
        """Let every visitor close the tab; the server then keeps their sessions for its lifetime."""
        self._loop.call_soon_threadsafe(self._leave)

    def close(self) -> None:
        """Let them leave, and end the thread."""
        with contextlib.suppress(RuntimeError):  # closed before
            asyncio.run_coroutine_threadsafe(self._all_gone(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    # -- in the loop --------------------------------------------------------------------------------------

    def _open(self, number: int) -> None:
        self._failed, self._why = 0, ""
        for _ in range(min(number, MOST - len(self._tasks))):
            task = self._loop.create_task(self._stay())
            task.add_done_callback(self._gone)
            self._is(task, "waiting")

    def _leave(self) -> None:
        self._failed, self._why = 0, ""
        for task in self._tasks:
            task.cancel()
        self._count()

    async def _all_gone(self) -> None:
        self._leave()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stay(self) -> None:
        me = asyncio.current_task()
        assert me is not None, "it runs as one"
        session = visit(self.url)
        try:
            async with self._door:
                await session
            while True:
                self._is(me, "connected")
                await session.wait_for(lambda s: s.closed is not None, timeout=None)
                if session.closed and session.closed.code == ENDED_ON_PURPOSE:
                    return
                self._is(me, "back")
                await self._come_back(session)
        finally:
            await session.close()

    async def _come_back(self, session) -> None:
        for seconds in BACKOFF:
            await asyncio.sleep(seconds)
            try:
                return await session.reconnect()
            except SessionLabError:
                if seconds == BACKOFF[-1]:
                    raise

    def _is(self, task: asyncio.Task, what: str) -> None:
        self._tasks[task] = what
        self._count()

    def _gone(self, task: asyncio.Task) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()):
            self._failed += 1
            self._why = getattr(error, "what", repr(error)).replace(f"The page {self.url}", "the page")
        self._count()

    def _count(self) -> None:
        self.present = Present(**collections.Counter(self._tasks.values()), failed=self._failed, why=self._why)
