"""Single values that grow: a text, an array or a table that a longer one replaces at every visit.

Runs in the served process: standard library only. There is one object before and one afterwards, so nothing that is
counted grows. What tells is the size of what stands in one place.
"""

from __future__ import annotations

import array
import gc
import io
from collections.abc import Callable

from sessionlab.agent import names
from sessionlab.agent.graph import Walk
from sessionlab.agent.plain import at_home, module_of
from sessionlab.agent.resident import everything
from sessionlab.agent.rows import owner_of_way
from sessionlab.agent.sizes import Sizes

LEAST = 1024  # bytes: smaller values are passed over
MOST = 5
_PLAIN = (str, bytes, bytearray, array.array, io.BytesIO)
_ARRAYS = ("numpy", "pyarrow", "torch", "xarray")  # libraries whose values tell their size as ``nbytes``


def weigh() -> dict[tuple[int, int], int]:
    """Bytes of every large text, array and table, by its place: the id of what holds it, and its number there."""
    measures: dict[int, Callable | None] = {}  # by the id of the class: one may refuse to be a key
    weights = {}
    for thing in everything():
        for holder in (thing, *_unknown(thing)):
            for number, value in enumerate(gc.get_referents(holder)):
                kind = type(value)
                if id(kind) not in measures:
                    measures[id(kind)] = _measure_of(kind)
                if (measure := measures[id(kind)]) is not None and (size := _bytes_of(value, measure)) >= LEAST:
                    weights[id(holder), number] = size
    return weights


def rows_of(walk: Walk, before: dict[tuple[int, int], int]) -> list[dict]:
    """The values in old places that have grown since they were weighed, the largest gains first.

    Each row has the ``holder`` (the place), ``what`` stands there, the ``bytes`` gained and the ``owner`` of the place.
    """
    gained = {key: more for key, size in weigh().items() if (more := size - before.get(key, size)) >= LEAST}
    grown = {number for number, _ in gained}
    rows: list[dict] = []
    for place, thing in enumerate(walk.things):
        for holder in (thing, *_unknown(thing)) if place not in walk._tops else ():
            for number, value in enumerate(gc.get_referents(holder)) if id(holder) in grown else ():
                if more := gained.pop((id(holder), number), 0):
                    way = [*walk.path(place), *([holder] if holder is not thing else []), value]
                    what = names.class_name(type(value))
                    rows.append(
                        {"holder": names.path_name(way), "what": what, "bytes": more, "owner": owner_of_way(way)}
                    )
    return sorted(rows, key=lambda row: row["bytes"], reverse=True)[:MOST]


def _unknown(thing) -> list[dict]:
    """The dicts on ``thing`` that the collector does not know, because they hold nothing but such values."""
    return [child for child in gc.get_referents(thing) if type(child) is dict and not gc.is_tracked(child)]


def _bytes_of(value, measure: Callable) -> int:
    try:
        return int(measure(value))
    except Exception:  # a closed buffer, an array without memory: whatever a library may raise
        return 0


def _measure_of(kind: type) -> Callable | None:
    """What gives the bytes of a value of this class; None for all others than texts, arrays and tables."""
    if issubclass(kind, _PLAIN):
        return Sizes(0).of
    if issubclass(kind, io.StringIO):  # which does not tell its size, but how much was written
        return io.StringIO.tell
    if not at_home(kind):
        return None
    library = module_of(kind).partition(".")[0]
    if library == "pandas" and hasattr(kind, "memory_usage"):
        return _bytes_of_pandas
    if library == "polars" and hasattr(kind, "estimated_size"):
        return kind.estimated_size
    if library in _ARRAYS and hasattr(kind, "nbytes"):
        return lambda value: value.nbytes
    return None


def _bytes_of_pandas(value) -> int:
    used = value.memory_usage()
    return int(used.sum() if hasattr(used, "sum") else used)
