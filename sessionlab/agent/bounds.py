"""How long a container is, what bound it has, and whether it only repeats itself. Runs in the served process."""

from __future__ import annotations

import collections
import re
import types

from sessionlab.agent import names, plain
from sessionlab.agent.plain import is_a, items_of

_BOUNDS = re.compile(
    r"max_?(size|items|len|length|entries|count|num|history|workers|records|keys|sessions|users|n)?"
    r"|limit|capacity|size|bound|history|keep"
)
_CACHE_BOUNDS = re.compile(r"_*(max_?cache(_?size)?|cache_?max(_?size)?|cache_?(size|limit))", re.IGNORECASE)


def length_of(holder) -> int | None:
    """How many items a container has, by what it really is: a length of somebody else's making may fail."""
    if is_a(holder, names.LRU):
        return holder.cache_info().currsize
    base = next((kind for kind in (dict, list, set, collections.deque) if is_a(holder, kind)), None)
    return None if base is None else base.__len__(holder)


def limit_of(way: list, holder) -> dict | None:
    """The bound of a holder that has one: its size, and how it is called."""
    if is_a(holder, collections.deque) and holder.maxlen is not None:
        return {"size": holder.maxlen, "name": f"maxlen={holder.maxlen}"}
    if is_a(holder, names.LRU):  # and nothing that an entry of it holds
        size = holder.cache_parameters()["maxsize"]
        return None if size is None else {"size": size, "name": f"maxsize={size}"}
    if names.knows_views(holder):
        size = holder.clear_counter
        return {"size": size, "name": f"pandas drops dead weak references to views at {size}"}
    for thing in reversed(way[-4:]):
        if is_a(thing, types.ModuleType) and (bound := _limit_of_cache(thing, holder)):
            return bound
        if is_a(thing, types.ModuleType | type | types.FunctionType):
            continue
        own = {**plain.slots_of(thing), **plain.own_dict(thing)}
        for name, value in own.items():
            short = str(name).rpartition("__")[2].strip("_")  # _Cache__maxsize
            if _BOUNDS.fullmatch(short.lower()) and type(value) is int and value > 0:
                return {"size": value, "name": f"{short}={value}"}
    return None


def _limit_of_cache(module: types.ModuleType, holder) -> dict | None:
    """The bound of a cache of a module that has a constant for it, such as ``re._MAXCACHE`` for ``re._cache``."""
    own = plain.own_dict(module)
    if not any(value is holder and "cache" in name.lower() for name, value in own.items()):
        return None
    for name, value in own.items():
        if _CACHE_BOUNDS.fullmatch(name) and type(value) is int and value > 0:
            return {"size": value, "name": f"{name}={value}"}
    return None


def newest_items(holder, gained: int) -> list:
    """The last ``gained`` items of a container that keeps its items in order."""
    if not gained or not is_a(holder, list | dict | collections.deque):
        return []
    return items_of(holder)[-gained:]


def repeats(holder, gained: int) -> bool:
    """Whether the last ``gained`` items are only what was in before, once more: a name in a list of names."""
    if not is_a(holder, list) or not 0 < gained < list.__len__(holder):
        return False
    items = items_of(holder)
    before = {id(item) for item in items[:-gained]}
    return all(id(item) in before for item in items[-gained:])
