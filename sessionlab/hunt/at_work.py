"""Which tasks and threads work in the served process, and for how long: what outlives its session may yet end.

Runs there: standard library only. Nothing tells whether a task will end. But while others of its kind do, its end
is worth waiting for; when for some seconds none did, it is not.
"""

from __future__ import annotations

import collections
import threading
import time
import weakref
from collections.abc import Iterable
from concurrent.futures.thread import _worker

from sessionlab.hunt import names
from sessionlab.observe.census import tasks_at_work

_REPEATS = "_async_repeat"  # the coroutine of a Panel PeriodicCallback: it works until it is stopped


class Those:
    """Tasks or threads, as far as they are still there."""

    def __init__(self, things: Iterable = ()):
        self._things = weakref.WeakSet(things)
        self._number = len(self._things)

    def __contains__(self, thing) -> bool:
        return thing in self._things

    def ended(self, working: list) -> int:
        """How many of them are not among those that work now."""
        return self._number - sum(thing in self._things for thing in working)


class Kind:
    """Tasks or threads that run the same.

    ``longest``: seconds in which some of them worked and none ended, at most.
    """

    def __init__(self, now: float):
        self._since, self._last, self.longest = now, Those(), 0.0

    def look(self, working: list, now: float) -> None:
        if self._last.ended(working):
            self._since = now
        self._last, self.longest = Those(working), max(self.longest, now - self._since)


class AtWork:
    """The tasks and threads that came after this was made.

    Left out are those in which Tornado serves, periodic callbacks, and the workers of pools: they wait for work.
    """

    def __init__(self) -> None:
        self._own, self._left, self._marked = Those(_working()), Those(), Those()
        self._kinds: dict[str, Kind] = {}

    def leave(self) -> None:
        """The sessions have ended: what works now may be what is left of them; what begins later is none of theirs."""
        self._left = Those(self._working())

    def young(self, seconds: float) -> int:
        """How many are left of whose kind one or the other has always ended within so many seconds."""
        now, groups = time.monotonic(), collections.defaultdict(list)
        for thing in self._working():
            groups[names.described(thing)].append(thing)
        for name, things in groups.items():
            self._kinds.setdefault(name, Kind(now)).look(things, now)
        may_end = [things for name, things in groups.items() if self._kinds[name].longest < seconds]
        return sum(thing in self._left for things in may_end for thing in things)

    def mark(self) -> None:
        """Remember what works now."""
        self._marked = Those(self._working())

    def ended(self) -> int:
        """How many of those that worked at the last mark have ended."""
        return self._marked.ended(self._working())

    def _working(self) -> list:
        return [thing for thing in _working() if thing not in self._own]


def _working() -> list:
    tasks = [t for t in tasks_at_work() if getattr(t.get_coro(), "__name__", "") != _REPEATS]
    return [*tasks, *(t for t in threading.enumerate() if getattr(t, "_target", None) is not _worker)]
