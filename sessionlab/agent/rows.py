"""One holder as a row: its name, whose it is, its bound, its size, and the chain to what it keeps.

Runs in the served process.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import types
import weakref

from sessionlab.agent import names
from sessionlab.agent.bounds import length_of, limit_of, repeats
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import CONTAINERS, Group, is_namespace, kind_of_edge
from sessionlab.agent.plain import is_a, module_of, name_of, qualname_of, read
from sessionlab.agent.running import THREADS, ends_in, payload_of, pool_of
from sessionlab.agent.sizes import Sizes, bytes_of
from sessionlab.agent.where import is_app_file, is_app_module


def row_of(walk: Walk, group: Group, trees: dict[int, list[int]], sizes: Sizes) -> dict:
    """The row of ``group``; ``trees`` are what hangs on its tops, and ``sizes`` sums those of its objects."""
    holder = walk.things[group.place]
    way = walk.path(group.place)
    # of the newest, the one with most below it: an entry of a registry rather than its key
    newest = max(group.tops, key=lambda top: (walk.young.get(top, -1), sum(walk.below.get(top, ())), top), default=None)
    tree = trees.get(newest, [newest]) if newest is not None else []
    things = [walk.things[place] for place in tree]
    if things and type(things[0]) is tuple:  # its first items tell most, also where something else holds them as well
        things = [*things[:1], *(x for x in things[0] if gc.is_tracked(x)), *things[1:]]
    example = end = telling(things)
    if things and _rank(example) == 0:  # of what runs, the chain says what it keeps
        kept = telling([thing for thing in things if _rank(thing) > 0])
        end = kept if kept is not None and _rank(kept) <= 2 else example
    steps = _steps(walk, group.place, walk.above, end, tree)
    title, where, owner = _title(walk, way, group, things)
    length, limit = length_of(holder), limit_of(way, holder)
    if holder is THREADS and (pool := pool_of([walk.things[top] for top in group.tops])):
        length, limit = pool
    places = [place for top in group.tops for place in trees.get(top, [top])]
    return {
        "holder": title,
        "kind": qualname_of(type(holder)),
        "items": group.items,
        "edges": group.edges,
        "below": group.below,
        "length": length,
        "limit": limit,
        "weak": bool(things) and all(is_a(walk.things[top], weakref.ref) for top in group.tops),
        "repeats": not group.tops and repeats(holder, group.gained),
        "ends_in": ends_in(things),
        "bytes": bytes_of(walk, places, holder, group, sizes),
        "chain": names.chain(title, steps),
        "through": _through(steps),
        "defined": where,
        "owner": owner,
        "example": names.described(example) if example is not None else "",
        "tops": len(group.tops),
        "named": group.named,
    }


def telling(things: list):
    """The one of ``things`` that says most about what is kept: the nearest to the holder of the best."""
    return min(things, key=_rank, default=None)


def _rank(thing) -> int:
    """0 for what runs, 1 for the application's own and Panel's, and so on to what says nothing."""
    kind = type(thing)
    module = module_of(kind)
    tests = (
        lambda: is_a(thing, threading.Thread | asyncio.Task) or names._periodic(thing),
        lambda: (
            qualname_of(kind) in ("Document", "ServerSession")
            or is_app_module(module)
            or (module.startswith(("panel.", "holoviews.")) and not module.startswith("panel.io.doc"))
        ),
        lambda: module.startswith(("bokeh.models", "matplotlib.figure", "pandas.", "plotly.")),
        lambda: bool(names.line_of(thing)) and is_a(thing, types.FunctionType | types.MethodType),
        lambda: name_of(kind) == "ndarray",
        lambda: not is_a(thing, names._SILENT),
    )
    return next((number for number, test in enumerate(tests) if test()), len(tests))


def _steps(walk: Walk, place: int, above: list[int], example, tree: list[int]) -> list:
    if example is None:
        return [walk.things[place]]
    at = next((p for p in tree if walk.things[p] is example), None)
    if at is None:
        return [walk.things[place], walk.things[tree[0]], example]
    steps = []
    while at >= 0 and at in walk._tops:
        steps.append(walk.things[at])
        at = above[at]
    return [walk.things[place], *steps[::-1]]


def _title(walk: Walk, way: list, group: Group, things: list) -> tuple[str, str, str]:
    """The holder's name, the line that defines what it runs, and the library it belongs to."""
    holder = way[-1]
    line = next((names.line_of(thing) for thing in things[:400] if names.line_of(thing)), "")
    if group.tops:
        first = walk.things[group.tops[-1]]
        if holder is THREADS:
            mine = names.line_of(first)
            module = names.code_of(first)
            owner = "app" if mine else _library(module.co_filename if module else "")
            return names.described(first), mine, owner
        if is_a(holder, asyncio.AbstractEventLoop):
            payload = payload_of(first)
            code = names.code_of(read(payload, "callback", payload))
            mine = names.line_of(read(payload, "callback", payload)) or line
            owner = "app" if mine else _library(code.co_filename if code else "")
            return f"event loop: {names.described(payload)}", mine, owner
    name = names.path_name(way)
    if (group.tops and not is_a(holder, CONTAINERS)) or is_namespace(way):
        kind = kind_of_edge(walk, group.place, holder, walk.things[group.tops[-1]]) if group.tops else None
        name = f"{name}.{kind}" if kind and is_a(kind, str) else name
    return name, line, owner_of_way(way)


def owner_of_way(way: list) -> str:
    """The library to which the last module or cached function on a path belongs."""
    for thing in reversed(way):
        if is_a(thing, names.LRU):
            return names.owner_of(str(read(read(thing, "__wrapped__"), "__module__", "") or ""))
        if is_a(thing, types.ModuleType):
            return "app" if is_app_file(names.file_of(thing)) else names.owner_of(names.module_name(thing))
    return "python"


def _library(filename: str) -> str:
    return "app" if is_app_file(filename) else names.library_of(filename)


def _through(steps: list) -> list[str]:
    """The libraries on the way from a holder to what it keeps, as far as the page that is kept."""
    found: list[str] = []
    behind = [names.bound_to(thing) for thing in steps[1:] if is_a(thing, types.MethodType)]
    for thing in [*steps[1:], *behind]:
        kind = type(thing)
        if qualname_of(kind) in ("Document", "ServerSession") or module_of(kind).startswith("bokeh.models"):
            break
        if (name := names.whose(thing)) not in found:
            found.append(name)
    return found
