"""How many bytes came to hang on a holder. Runs in the served process."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable

from sessionlab.agent.bounds import length_of, newest_items
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import Group
from sessionlab.agent.plain import body_of, ids, is_a, is_array, mro, name_of

MOST_SIZED = 3000  # objects per holder whose size is summed; more are scaled up
PLAIN = ids(int, float, complex, str, bytes)  # a leak may hold millions of them: they are told apart first
FEW = 2  # holders, at most, of an atom that is nobody else's


class Sizes:
    """Bytes of single objects, which are summed as they are asked for.

    ``small`` and ``blocks`` are the bytes and the blocks of memory of those that are no larger than ``limit`` bytes.
    """

    def __init__(self, limit: int):
        self.limit, self.small, self.blocks = limit, 0, 0
        self._measures: dict[int, tuple[type, Callable]] = {}  # by the id of the class, which is kept alive

    def add(self, thing) -> int:
        """The bytes of ``thing``, which are counted."""
        size = self.of(thing)
        if size <= self.limit:
            self.small += size
            self.blocks += blocks_of(thing)
        return size

    def add_plain(self, atom) -> int:
        """The same for an atom of one of the `PLAIN` classes."""
        size = sys.getsizeof(atom)
        if size <= self.limit:
            self.small += size
            self.blocks += 1
        return size

    def of(self, thing) -> int:
        """The same, not counted."""
        kind = type(thing)
        known = self._measures.get(id(kind))
        if known is None:
            known = self._measures[id(kind)] = kind, _measure(kind)
        try:
            return known[1](thing)
        except Exception:
            return 64


def size_of(thing) -> int:
    """Bytes of one object, without asking code that would count what it only refers to."""
    return Sizes(0).of(thing)


def _measure(kind: type) -> Callable:
    """How the size of instances is told; what it gives may raise."""
    if is_array(kind):
        return lambda array: int(array.nbytes) + 112
    bodies = (body_of(cls) for cls in mro(kind))
    measures = [body["__sizeof__"] for body in bodies if "__sizeof__" in body]
    written_in_c = next(each for each in measures if type(each) is types.MethodDescriptorType)
    if measures[0] is written_in_c:
        return sys.getsizeof
    return lambda thing: written_in_c(thing) + 16  # pandas' own, in Python, counts every string of a frame


def bytes_of(walk: Walk, places: list[int], holder, group: Group, sizes: Sizes) -> int:
    """Bytes of what came to hang on a holder: young objects, and the atoms that only they hold; summed in ``sizes``."""
    total, seen = 0, set()
    # an array is unknown to the collector: how old it is, what holds it tells
    places = [place for place in places if place in walk.young or walk.above[place] in walk.young]
    sample = places[:: max(1, len(places) // MOST_SIZED)]
    for place in sample:
        thing = walk.things[place]
        if id(thing) not in seen:
            seen.add(id(thing))
            total += sizes.add(thing)
        for each in gc.get_referents(thing):
            if id(type(each)) in PLAIN:
                # besides its holders there are the list of referents, ``each`` and the argument
                if sys.getrefcount(each) <= FEW + 3 and id(each) not in seen:
                    seen.add(id(each))
                    total += sizes.add_plain(each)
            elif not gc.is_tracked(each) and id(each) not in seen and _private(each):
                seen.add(id(each))
                total += sizes.add(each)
    if sample:
        total = total * len(places) // len(sample)
    for item in newest_items(holder, group.gained):
        if not gc.is_tracked(item) and id(item) not in seen and _private(item):
            seen.add(id(item))
            total += sizes.add(item)
    if is_a(holder, dict) and not places:
        keys = list(dict.keys(holder))[-max(1, group.gained) :]
        total += sum(sizes.of(key) for key in keys if not gc.is_tracked(key) and _private(key))
    return total


def _private(atom) -> bool:
    """Whether few others hold this string, number or array; the interned and the shared are held by many."""
    return name_of(type(atom)) not in ("bool", "NoneType", "code", "type") and sys.getrefcount(atom) <= FEW + 4


def blocks_of(thing) -> int:
    """How many blocks of memory an object takes: a dict or list that has items keeps them in one of their own."""
    return 2 if is_a(thing, dict | list) and length_of(thing) else 1
