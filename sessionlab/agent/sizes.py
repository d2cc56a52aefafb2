"""How many bytes came to hang on a holder. Runs in the served process."""

from __future__ import annotations

import gc
import sys
import types

from sessionlab.agent.bounds import length_of, newest_items
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import Group
from sessionlab.agent.plain import body_of, is_a, is_array, mro, name_of

MOST_SIZED = 3000  # objects per holder whose size is summed; more are scaled up


def bytes_of(walk: Walk, places: list[int], holder, group: Group, sizes: list[tuple[int, int]]) -> int:
    """Bytes of what came to hang on a holder: young objects, and the atoms that only they hold.

    ``sizes`` gains the bytes and the blocks of memory of each of them.
    """
    total, seen = 0, set()
    # an array is unknown to the collector: how old it is, what holds it tells
    places = [place for place in places if place in walk.young or walk.above[place] in walk.young]
    sample = places[:: max(1, len(places) // MOST_SIZED)]
    for place in sample:
        thing = walk.things[place]
        for each in (thing, *(x for x in gc.get_referents(thing) if not gc.is_tracked(x))):
            if id(each) not in seen and (each is thing or _private(each)):
                seen.add(id(each))
                sizes.append((size_of(each), blocks_of(each)))
                total += sizes[-1][0]
    if sample:
        total = total * len(places) // len(sample)
    for item in newest_items(holder, group.gained):
        if not gc.is_tracked(item) and id(item) not in seen and _private(item):
            seen.add(id(item))
            sizes.append((size_of(item), blocks_of(item)))
            total += sizes[-1][0]
    if is_a(holder, dict) and not places:
        keys = list(dict.keys(holder))[-max(1, group.gained) :]
        total += sum(size_of(key) for key in keys if not gc.is_tracked(key) and _private(key))
    return total


def _private(atom) -> bool:
    """Whether few others hold this string, number or array; the interned and the shared are held by many."""
    return name_of(type(atom)) not in ("bool", "NoneType", "code", "type") and sys.getrefcount(atom) <= 6


def size_of(thing) -> int:
    """Bytes of one object, without asking code that would count what it only refers to."""
    if is_array(type(thing)):
        return int(thing.nbytes) + 112
    bodies = (body_of(cls) for cls in mro(type(thing)))
    measures = [body["__sizeof__"] for body in bodies if "__sizeof__" in body]
    written_in_c = [each for each in measures if type(each) is types.MethodDescriptorType]
    try:
        if measures[0] is written_in_c[0]:
            return sys.getsizeof(thing)
        return written_in_c[0](thing) + 16  # pandas' own, in Python, counts every string of a frame
    except Exception:
        return 64


def blocks_of(thing) -> int:
    """How many blocks of memory an object takes: a dict or list that has items keeps them in one of their own."""
    return 2 if length_of(thing) and is_a(thing, dict | list) else 1
