"""Which tasks and threads work in the served process, and for how long: what outlives its session may yet end.

Runs there: standard library only. Nothing tells whether a task will end. But while others of its kind do, its end
is worth waiting for; when for some seconds none did, it is not.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures.thread import _worker

from sessionlab.agent import names
from sessionlab.agent.census import tasks_at_work
from sessionlab.agent.plain import is_a, read
from sessionlab.agent.watch import Watch

_REPEATS = "_async_repeat"  # the coroutine of a Panel PeriodicCallback: it works until it is stopped
_CONNECTION = "_server_request_loop"  # in which Tornado serves one connection until it is closed


class AtWork:
    """The tasks and threads that came after this was made.

    Left out are those in which Tornado serves, periodic callbacks, and the workers of pools: they wait for work.
    What is remembered of them is text and numbers: any object, a weak reference too, would be counted as a gain.
    """

    def __init__(self) -> None:
        self._own: dict[str, str] = {}
        self._own = self._working()
        self._left: frozenset = frozenset()
        self._marked: frozenset = frozenset()
        self._kinds: dict[str, str] = {}  # of the last look
        self._since: dict[str, float] = {}  # when the last of a kind ended, or the first began
        self._longest: dict[str, float] = {}  # seconds in which some of a kind worked and none ended, at most
        self._watch = Watch()

    def leave(self) -> None:
        """The sessions have ended: what works now may be what is left of them; what begins later is none of theirs."""
        self._left = frozenset(self._working())

    def young(self, seconds: float) -> int:
        """How many are left of whose kind one or the other has always ended within so many seconds."""
        before, working, now = self._kinds, self._working(), self._watch.look()
        ended = {kind for key, kind in before.items() if key not in working}
        going = {kind for key, kind in before.items() if key in working} - ended
        for kind in set(working.values()):
            if kind not in going:
                self._since[kind] = now
            self._longest[kind] = max(self._longest.get(kind, 0.0), now - self._since[kind])
        self._kinds = working
        return sum(self._longest[kind] < seconds for key, kind in working.items() if key in self._left)

    def mark(self) -> None:
        """Remember what works now."""
        self._marked = frozenset(self._working())

    def ended(self) -> int:
        """How many of those that worked at the last mark have ended."""
        return len(self._marked.difference(self._working()))

    def _working(self) -> dict[str, str]:
        """The kind of each, by what tells it from all others: addresses are used again, numbered names are not."""
        found = {}
        for thing in _working():
            name = thing.get_name() if is_a(thing, asyncio.Task) else thing.name
            found[f"{id(thing)} {name}"] = names.described(thing)
        return {key: kind for key, kind in found.items() if key not in self._own}


def open_connections() -> int:
    """How many HTTP connections Tornado serves on the running loop, websockets included; 0 on a server of another."""
    return sum(read(task.get_coro(), "__name__", "") == _CONNECTION for task in asyncio.all_tasks())


def _working() -> list:
    tasks = [t for t in tasks_at_work() if read(t.get_coro(), "__name__", "") != _REPEATS]
    return [*tasks, *(t for t in threading.enumerate() if read(t, "_target") is not _worker)]
