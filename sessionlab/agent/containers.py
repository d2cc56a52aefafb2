"""Find the containers that grow: what was longer at each look is what keeps things.

Runs in the served process. `Containers.mark` notes the length of every list, dict, set, deque and
`lru_cache`; `Containers.grown` tells which are longer now. Containers of weak references keep nothing and do
not count, nor do those of the lab. A dict of nothing but numbers and strings is unknown to the garbage
collector; it is found through the object that refers to it.
"""

from __future__ import annotations

import array
import bisect
import collections
import contextlib
import functools
import gc
import itertools
import logging
import sys
import types
import weakref
from collections.abc import Callable

from sessionlab.agent.plain import (
    body_of,
    ids,
    is_a,
    items_of,
    module_of,
    mro,
    own_dict,
    qualname_of,
    read,
    slots_of,
)
from sessionlab.agent.resident import everything
from sessionlab.agent.where import is_lab

_LENGTHS: dict[type, Callable] = {kind: kind.__len__ for kind in (list, dict, set, collections.deque)}
_WEAK = (weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
_LRU = type(functools.lru_cache(lambda: None))
_HOPS = 3  # how far a container's owner is looked for


class Containers:
    """Lengths at a mark, kept as plain numbers: about 20 bytes a container, left out of the census."""

    def __init__(self):
        self._ids, self._kinds, self._lengths = array.array("Q"), array.array("Q"), array.array("L")

    @property
    def nbytes(self) -> int:
        return sum(a.itemsize * len(a) for a in (self._ids, self._kinds, self._lengths))

    def mark(self) -> int:
        """Note every container's length; return how many containers there are."""
        with _no_collection():
            noted = sorted((id(thing), id(type(thing)), length) for thing, length in _scan())
        self._ids = array.array("Q", [row[0] for row in noted])
        self._kinds = array.array("Q", [row[1] for row in noted])
        self._lengths = array.array("L", [row[2] for row in noted])
        return len(noted)

    def grown(self, most: int = 200) -> list[dict]:
        """The containers that are longer than at the mark, the largest growth first.

        Each row has ``key`` (the same for the same container at every look), ``kind``, ``length``, ``grew``
        (items since the mark), ``weak`` (items that are weak references, which keep nothing), ``limit`` (of a
        bounded container, else None), ``item`` (type of a newest item) and ``owner``.
        """
        with _no_collection():
            grown = [(n - self._at_mark(thing), n, thing) for thing, n in _scan() if n]
            grown = sorted((row for row in grown if row[0] > 0), key=lambda row: -row[0])[:most]
        numbers, things = [row[:2] for row in grown], [row[2] for row in grown]
        del grown  # it would be found as a holder
        rows = [_row(n, m, thing, own) for (n, m), thing, own in zip(numbers, things, _owners(things), strict=True)]
        return [row for row in rows if row["weak"] < row["length"] and not is_lab(row["owner"])]

    def _at_mark(self, thing) -> float:
        place = bisect.bisect_left(self._ids, id(thing))
        if place < len(self._ids) and self._ids[place] == id(thing) and self._kinds[place] == id(type(thing)):
            return self._lengths[place]
        return float("inf")  # born after the mark


def _scan() -> list[tuple[object, int]]:
    """Every container with its length."""
    objects = everything()
    # by the ids of classes: one may refuse to be a key
    lengths, weak, loggers = {id(dict): dict.__len__}, set(), set()
    for number, cls in {id(cls): cls for cls in map(type, objects)}.items():
        bases = ids(*mro(cls))
        if id(logging.Logger) in bases:
            loggers.add(number)
        base = next((kind for kind in _LENGTHS if id(kind) in bases), None)
        if base is not None:
            lengths[number] = _LENGTHS[base]
        elif any(id(kind) in bases for kind in _WEAK):
            weak.add(number)
    tracked = [x for x in objects if id(type(x)) in lengths]
    # A dict of atoms is not tracked by the collector: reach it through its owner.
    is_tracked = gc.is_tracked
    hidden = {id(x): x for x in gc.get_referents(*objects) if type(x) is dict and not is_tracked(x)}
    caches = [(x, x.cache_info().currsize) for x in objects if type(x) is _LRU]
    skip = {id(own_dict(x).get("data")) for x in objects if id(type(x)) in weak}
    skip |= {id(x) for cache, _ in caches for x in gc.get_referents(cache) if type(x) is dict}  # told of by the cache
    # one entry for each level, whenever it is first used
    skip |= {id(read(x, "_cache")) for x in objects if id(type(x)) in loggers}
    skip.add(id(objects))
    found = [(x, lengths[id(type(x))](x)) for x in itertools.chain(tracked, hidden.values()) if id(x) not in skip]
    return found + caches


@contextlib.contextmanager
def _no_collection():
    """Keep the garbage collector from looking at what is being listed, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _row(grew: float, length: int, thing, owner: str) -> dict:
    kind = type(thing)
    limit, weak, newest = None, 0, None
    if kind is _LRU:
        limit = thing.cache_info().maxsize
    else:
        items = items_of(thing)
        weak = sum(is_a(item, weakref.ref) for item in items)
        newest = items[-1] if items else None
        limit = collections.deque.maxlen.__get__(thing) if is_a(thing, collections.deque) else None
    return {
        "key": id(thing),
        "kind": f"{module_of(kind)}.{qualname_of(kind)}".removeprefix("builtins."),
        "length": length,
        "grew": grew,
        "weak": weak,
        "limit": limit,
        "item": "" if newest is None else qualname_of(type(newest)),
        "owner": owner,
    }


def _owners(things: list) -> list[str]:
    """Where each of ``things`` hangs, as ``module.name`` or ``Class.attribute``, as far as `_HOPS` tell."""
    names = [_function_name(thing) if type(thing) is _LRU else "" for thing in things]
    paths = [""] * len(things)
    level = {i: thing for i, thing in enumerate(things) if not names[i]}
    for _ in range(_HOPS):
        if not level:
            break
        referrers = gc.get_referrers(*level.values())
        holders: dict = {}
        skip = {id(things), id(level), id(referrers)}
        for holder in referrers:
            if id(holder) in skip or is_a(holder, types.FrameType):
                continue
            for referent in gc.get_referents(holder):
                holders.setdefault(id(referent), holder)
        above = {}
        for i, thing in level.items():
            holder = holders.get(id(thing))
            if holder is None:
                names[i] = paths[i].lstrip(".")
                continue
            name, step = _step(holder, thing)
            paths[i] = step + paths[i]
            if name:
                names[i] = name + paths[i]
            else:
                above[i] = holder
        level = above
        del referrers, holders
    return [name or path.lstrip(".") for name, path in zip(names, paths, strict=True)]


def _step(holder, thing) -> tuple[str, str]:
    """What ``holder`` is called when it has a name of its own, and how ``thing`` hangs on it."""
    if is_a(holder, dict):
        key = next((k for k, v in list(holder.items()) if v is thing), None)
        module = sys.modules.get(holder.get("__name__")) if is_a(holder.get("__name__"), str) else None
        if module is not None and module.__dict__ is holder:
            return module.__name__, f".{key}"
        return "", f"[{key!r:.40}]" if not is_a(key, str) else f".{key}"
    if is_a(holder, type):
        key = next((k for k, v in tuple(body_of(holder).items()) if v is thing), "?")
        return f"{module_of(holder)}.{qualname_of(holder)}", f".{key}"
    if is_a(holder, types.FunctionType | types.BuiltinFunctionType):
        return _function_name(holder), "()"
    if is_a(holder, types.CellType | tuple | list | set | collections.deque):
        return "", ""
    named = [*tuple(own_dict(holder).items()), *slots_of(holder).items()]
    key = next((k for k, v in named if v is thing), "?")
    return f"{module_of(type(holder))}.{qualname_of(type(holder))}", f".{key}"


def _function_name(function) -> str:
    return f"{read(function, '__module__', '?')}.{read(function, '__qualname__', qualname_of(type(function)))}"
