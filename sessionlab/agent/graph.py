"""Walk everything that a served process can reach, and see what young things hang on what is old.

Runs in the served process, on its event loop: standard library only. A leak is a place where something that
was there before the sessions holds something that was born in one: an edge from *old* to *young*. The walk
is breadth first from the modules, so that every path it finds is a shortest one.

References that are weak are no edges. The values of a WeakKeyDictionary live as long as their keys: they are
followed last, so that they are blamed only for what nothing else holds (a value that holds its own key).
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import types
import weakref
from collections.abc import Iterable

from sessionlab.agent import names
from sessionlab.agent.census import tasks_at_work
from sessionlab.agent.ledger import Ledger
from sessionlab.agent.plain import ids, is_a, is_array, module_of, mro, name_of, own_dict, read
from sessionlab.agent.running import registered_tasks
from sessionlab.agent.where import is_lab

# A weak proxy holds nothing, and whoever asks one of its class asks what it stands for, which may be gone.
PROXIES = ids(weakref.ProxyType, weakref.CallableProxyType)
ATOMS = PROXIES | ids(int, float, complex, str, bytes, bool, type(None), type(...), range)
# Looked for among the bases: they are abstract base classes, which remember every class that issubclass() asks about.
_WEAK = ids(weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)


class Walk:
    """One walk.

    Attributes
    ----------
    things : what was reached, in that order; ``above[n]`` is the place of what led to ``things[n]``, or -1.
    young : place -> cohort, of what was born in one of the ledger's windows.
    edges : place of an old thing -> places of the young things that it holds directly.
    lost : young things that are there although no module leads to them: something outside Python holds them.
    odd : how many objects raised when they were looked into.
    below : place of a young thing at the end of an edge -> how many young things hang there, by cohort.

    Parameters
    ----------
    without : things that are passed over, such as the request that asks for the walk.
    """

    def __init__(self, ledger: Ledger, without: Iterable = ()):
        self.things: list = []
        self.above: list[int] = []
        self.young: dict[int, int] = {}
        self.edges: dict[int, list[int]] = {}
        self.below: dict[int, list[int]] = {}
        self.odd = 0
        self._ledger, self._old, self._windows = ledger, ledger.old, len(ledger.cohorts)
        self._places: dict[int, int] = {id(thing): -1 for thing in [*without, registered_tasks()]}
        self._tops: dict[int, int] = {}
        self._later: set[int] = set()
        self._ordinary: dict[int, type] = {}  # by id: what their instances refer to is what the collector says
        self._frames = _frames_of_threads()
        self._walk()
        self.lost = self._find_lost()  # at once: what is made later may live where something young has died

    def path(self, place: int) -> list:
        """The things from a root to the one at ``place``."""
        steps = []
        while place >= 0:
            steps.append(self.things[place])
            place = self.above[place]
        return steps[::-1]

    def hangs(self, thing) -> bool:
        """Whether something old was seen to hold this young thing."""
        return self._places.get(id(thing)) in self._tops

    def subtree(self, tops: Iterable[int]) -> dict[int, list[int]]:
        """For each young thing at the end of an edge, the places of all that hangs there, itself first."""
        wanted: dict[int, list[int]] = {top: [] for top in tops}
        for place, top in self._tops.items():
            if top in wanted:
                wanted[top].append(place)
        return wanted

    # -- walking ------------------------------------------------------------------------------------------------

    def _walk(self) -> None:
        for root in _roots():
            if id(type(root)) not in ATOMS:
                self._reach(root, -1)
        self._run(0)
        begin = len(self.things)
        entries = [(p, r, v) for p in sorted(self._later) for r, v in tuple(self.things[p].items())]
        # an entry whose key something else keeps alive is a consequence; it holds nothing by itself
        alone = [(p, r, v) for p, r, v in entries if (key := r()) is not None and id(key) not in self._places]
        for _, reference, value in entries:
            self._reach(reference, -1)
            if id(type(value)) not in ATOMS and not any(value is v for _, _, v in alone):
                self._reach(value, -1)
        self._run(begin, last=True)
        begin = len(self.things)
        for place, _, value in alone:
            if id(type(value)) not in ATOMS:
                self._reach(value, place)
        self._run(begin, last=True)

    def _run(self, place: int, last: bool = False) -> None:
        """Follow what stands at ``place`` and after it: all that is old first, and then what is young.

        What only young things lead to is theirs, also if it lives where something old lived.
        """
        young = []
        while place < len(self.things):
            if place in self._tops:
                young.append(place)
            else:
                self._expand(place, last)
            place += 1
        for top in young:
            self._expand(top, last)
        while place < len(self.things):
            self._expand(place, last)
            place += 1

    def _expand(self, place: int, last: bool) -> None:
        if place not in self._later:
            thing = self.things[place]
            try:
                children = self._children(thing, place, last)
            except Exception:  # an object with a mind of its own: what the collector knows of it is enough
                self.odd += 1
                children = gc.get_referents(thing)
            for child in children:
                if id(type(child)) not in ATOMS:
                    self._reach(child, place)

    def _children(self, thing, place: int, last: bool):
        kind = type(thing)
        if id(kind) in self._ordinary:
            return gc.get_referents(thing)
        if is_lab(module_of(kind)):
            return ()  # the lab holds what it looks at
        if not _WEAK.isdisjoint(map(id, mro(kind))):
            data = read(thing, "data")
            by_key = any(base is weakref.WeakKeyDictionary for base in mro(kind))
            if by_key and is_a(data, dict) and not last:
                if id(data) not in self._places:
                    self._add(data, place)
                    self._later.add(len(self.things) - 1)
            elif last and by_key:
                return [data]
            return ()
        if issubclass(kind, asyncio.AbstractEventLoop):
            # its lists of timers are made anew all the time: what counts is what stands in them. Its tasks are known
            # by weak references, and yet it is the loop that goes on with them
            waiting = [read(thing, name, ()) for name in ("_scheduled", "_ready")]
            lists = {id(each) for each in waiting}
            return [x for x in gc.get_referents(thing) if id(x) not in lists] + [
                h for each in (*waiting, tasks_at_work()) for h in each
            ]
        if kind is names.LRU:  # its own dict goes without saying: the cache is the holder
            tables = [x for x in gc.get_referents(thing) if type(x) is dict and x is not own_dict(thing)]
            for table in tables:
                self._places.setdefault(id(table), -1)
            entries = [x for table in tables for pair in table.items() for x in pair]
            return [x for x in gc.get_referents(thing) if id(x) not in map(id, tables)] + entries
        if names.knows_views(thing):  # in a list that is made anew when it is cleared
            self._places.setdefault(id(thing.referenced_blocks), -1)
            return () if place in self._tops else thing.referenced_blocks
        if issubclass(kind, threading.Thread):
            return [*gc.get_referents(thing), *self._frames.get(thing.ident, ())]
        if is_array(kind):
            if _holds_objects(thing):
                return thing.ravel().tolist() if thing.size < 1_000_000 else ()
        else:
            self._ordinary[id(kind)] = kind
        return gc.get_referents(thing)

    def _reach(self, thing, above: int) -> None:
        place = self._places.get(id(thing))
        if place is None:
            if not gc.is_tracked(thing) and name_of(type(thing)) != "ndarray":
                return
            place = self._add(thing, above)
        if place in self._tops and above >= 0 and above not in self._tops:
            self.edges.setdefault(self._may_gain(above), []).append(place)

    def _may_gain(self, place: int) -> int:
        """What holds the thing at ``place``, if that is a tuple: one with something young is young itself."""
        while is_a(self.things[place], tuple) and self.above[place] >= 0:
            place = self.above[place]
        return place

    def _add(self, thing, above: int) -> int:
        place = self._places[id(thing)] = len(self.things)
        self.things.append(thing)
        self.above.append(above)
        newer = self._ledger.took_over(thing)
        if newer or above in self._tops or (id(thing) not in self._old and not self._is_own_dict(thing, above)):
            top = self._tops[place] = self._tops.get(above, place)
            below = self.below.setdefault(top, [0] * self._windows)
            # what is younger than the newest window, such as the next timer of a loop, leads to what is not
            if not newer and (cohort := self._ledger.cohort(id(thing))) is not None:
                self.young[place] = cohort
                below[cohort] += 1
        return place

    def _find_lost(self) -> list:
        mine = {id(x) for x in (self, *self.__dict__.values())}
        mine |= {id(x) for table in (self.edges, self.below, self._frames) for x in table.values()}
        young, reached = set().union(*self._ledger.cohorts) - mine, self._places
        found = (x for x in gc.get_objects() if id(x) in young and id(x) not in reached)
        return [x for x in found if id(type(x)) not in PROXIES and not self._ledger.took_over(x)]

    def _is_own_dict(self, thing, above: int) -> bool:
        """Whether ``thing`` is the dict of an old instance, which Python makes when somebody asks for it first."""
        return type(thing) is dict and above >= 0 and own_dict(self.things[above]) is thing


def _holds_objects(array) -> bool:
    """Whether the items of an array are Python objects, which the collector does not see in it."""
    try:
        return bool(array.dtype.hasobject)
    except Exception:  # it only bears the name
        return False


def _roots():
    """Where a walk begins: the modules but the lab's, and the event loop."""
    for name, module in tuple(sys.modules.items()):
        if module is not None and not is_lab(name):
            yield module
    yield asyncio.get_running_loop()


def _frames_of_threads() -> dict[int, list]:
    """What the running functions of every other thread hold, by the thread's number."""
    held: dict[int, list] = {}
    mine = threading.get_ident()
    for number, frame in sys._current_frames().items():
        values = held[number] = []
        above: types.FrameType | None = frame
        while above is not None and number != mine:
            values.extend(above.f_locals.values())
            above = above.f_back
    return held
