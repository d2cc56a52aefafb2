"""Events in one block of memory that never grows, so that recording them does not look like a leak.

Runs in the served process. A list of events would gain a few hundred bytes with every session, which is as
much as the leaks that the lab looks for. Here every event is written as JSON into a block that is allocated,
and touched, once; when it is full the oldest events make room, and are counted.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import threading
import time

HEADER = 4  # bytes in front of an event: its length
_as_json = json.JSONEncoder(default=str, separators=(",", ":")).encode


class EventRing:
    """The newest events, numbered from 1 in the order in which they happened.

    Parameters
    ----------
    size : bytes that the block takes; an event takes about 150 of them.
    """

    def __init__(self, size: int):
        self._block = bytearray(b"\1" * size)  # not zeros: those pages would be taken from the system only later
        self._lock = threading.Lock()  # events also come from an application's threads
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Future]] = set()
        self._start = self._end = 0  # positions count on and on; modulo the size they are places in the block
        self.first = self.next = self._cleared = 1

    @property
    def nbytes(self) -> int:
        return len(self._block)

    def clear(self) -> None:
        """Forget every event. The numbers go on, so that nobody who waits for the next one is misled."""
        with self._lock:
            self._start, self.first, self._cleared = self._end, self.next, self.next

    def append(self, event: dict) -> None:
        """Record ``event`` (anything JSON can say), with the monotonic time unless it brings its own ``t``."""
        body = _as_json({"t": time.monotonic(), **event}).encode()
        if len(body) > len(self._block) // 8:
            return  # no honest event is that long
        record = len(body).to_bytes(HEADER, "little") + body
        with self._lock:
            while self._end + len(record) - self._start > len(self._block):
                self._start += HEADER + int.from_bytes(self._read(self._start, HEADER), "little")
                self.first += 1
            place = self._end % len(self._block)
            head = record[: len(self._block) - place]
            self._block[place : place + len(head)] = head
            self._block[: len(record) - len(head)] = record[len(head) :]
            self._end += len(record)
            self.next += 1
        if self._waiters:
            self._wake()

    def since(self, number: int, most: int = 5000) -> dict:
        """The events from ``number`` on, at most ``most`` of them.

        Returns a dict with ``events`` (each with its number ``n``), ``next`` (the number to ask for next time)
        and ``dropped`` (how many of those asked for had already made room).
        """
        bodies: list = []
        with self._lock:
            place, at = self._start, self.first
            while at < self.next and len(bodies) < most:
                length = int.from_bytes(self._read(place, HEADER), "little")
                if at >= number:
                    bodies.append(self._read(place + HEADER, length))
                place += HEADER + length
                at += 1
            first = min(max(number, self.first), self.next)
            dropped = max(0, self.first - max(number, self._cleared))
        events = [{"n": first + i, **json.loads(body)} for i, body in enumerate(bodies)]
        return {"events": events, "next": first + len(events), "dropped": dropped}

    async def wait(self, number: int, seconds: float) -> None:
        """Return when there is an event ``number``, or after ``seconds``."""
        if self.next > number or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future())
        self._waiters.add(waiter)
        timer = loop.call_later(seconds, _resolve, waiter[1])
        try:
            if self.next <= number:  # a thread may have recorded one in between
                await waiter[1]
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for loop, future in tuple(self._waiters):
            with contextlib.suppress(RuntimeError):  # that loop has been closed
                loop.call_soon_threadsafe(_resolve, future)

    def _read(self, position: int, length: int) -> bytes:
        place = position % len(self._block)
        head = bytes(self._block[place : place + length])
        return head + bytes(self._block[: length - len(head)])


def _resolve(future: asyncio.Future) -> None:
    if not future.done():
        future.set_result(None)


class MemoryLine:
    """Samples of the process's resident memory: seconds (monotonic) and bytes, the newest of them.

    Parameters
    ----------
    measure : a function that gives the bytes.
    samples : how many are kept.
    """

    def __init__(self, measure, samples: int = 7200):
        self._measure = measure
        self._values = array.array("d", [0.0]) * (2 * samples)
        self._samples, self._taken, self._last = samples, 0, 0.0

    @property
    def nbytes(self) -> int:
        return len(self._values) * self._values.itemsize

    def sample(self, apart: float = 0.25) -> None:
        """Take a sample, unless the last one is less than ``apart`` seconds old."""
        now = time.monotonic()
        if now - self._last < apart:
            return
        self._last = now
        place = 2 * (self._taken % self._samples)
        self._values[place], self._values[place + 1] = now, self._measure()
        self._taken += 1

    def since(self, moment: float) -> list[list[float]]:
        """Samples taken after ``moment``, as [seconds, bytes]."""
        numbers = range(max(0, self._taken - self._samples), self._taken)
        places = (2 * (n % self._samples) for n in numbers)
        return [[self._values[p], self._values[p + 1]] for p in places if self._values[p] > moment]

    def clear(self) -> None:
        self._taken = 0
