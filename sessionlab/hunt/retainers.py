"""Who holds what a session left behind. Runs in the served process, on request of the hunt.

`install` adds three questions to the probe: ``turn`` closes a window of the ledger, ``trace`` switches the
tracing of allocations, ``holders`` walks the process and answers with one row per place that gained something
in the windows. The rows say what was measured; whether it is a leak is decided in the lab (``windows.py``).
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import contextvars
import functools
import gc
import itertools
import os
import re
import sys
import threading
import time
import types
import weakref

from sessionlab.hunt import caches, names, source
from sessionlab.hunt.graph import Walk
from sessionlab.hunt.ledger import Ledger
from sessionlab.hunt.tracer import Tracer
from sessionlab.observe.census import settle
from sessionlab.observe.where import is_app_file, is_app_module

ATEXIT = "atexit callbacks"
OUTSIDE = "a C extension, outside Python's own objects"
SMALL = 512  # bytes; above it Python asks malloc, below it its own pools
MOST_ROWS = 60
MOST_SIZED = 3000  # objects per holder whose size is summed; more are scaled up


def install(probe) -> None:
    """Let ``probe`` answer for a hunt."""
    hunter = Retainers(probe)
    probe.extra.update(get_pace=hunter.pace, post_turn=hunter.turn, post_trace=hunter.trace, get_holders=hunter.holders)


class Retainers:
    """The hunt's end in the served process."""

    def __init__(self, probe):
        self.ledger = Ledger()
        self._running: list[collections.Counter] = []  # what runs, by its label, at each turn
        self._growing: dict = {}  # what to watch, by the name of the holder
        self._tracer: Tracer | None = None
        self._probe = weakref.ref(probe)

    async def pace(self, ask) -> dict:
        """How long (in seconds) a visit has to stay until every callback that it waits for has run once."""
        periods = []
        for _, session in self._probe()._sessions():
            for callback in session.document.session_callbacks:
                period = getattr(callback, "period", None) or getattr(callback, "timeout", None)
                periods.append((period or 0) / 1000)
        return {"periods": sorted(periods)}

    async def turn(self, ask) -> dict:
        await settle()
        begin = time.monotonic()
        born = self.ledger.turn()
        self._running = [*self._running, _running()][-len(self.ledger.lengths) :]
        return {"born": born, "atexit": atexit._ncallbacks(), "seconds": time.monotonic() - begin}

    async def trace(self, ask) -> dict:
        """Follow the application's lines, watching what `holders` found last; or stop, and say what was seen."""
        if ask.flag("on"):
            self._tracer = Tracer(self._growing, _threads_and_timers, _label)
            self._tracer.start()
            return {}
        lines, heap = self._tracer.stop(), self._tracer.heap.most_common(20)
        self._tracer = None
        return {"lines": lines, "heap": dict(heap)}

    async def holders(self, ask) -> dict:
        await settle()
        begin = time.monotonic()
        connection = getattr(ask.request, "connection", None)
        mine = [asyncio.current_task(), ask, ask.request, connection, getattr(connection, "stream", None)]
        mine += [asyncio.current_task().get_coro(), contextvars.copy_context()]
        rows, small, self._growing = _rows(self.ledger, mine, self._scripts(), self._running)
        return {
            "holders": rows,
            "small": small,
            "files": source.app_files(self._scripts()),
            "seconds": time.monotonic() - begin,
        }

    def _scripts(self) -> tuple[str, ...]:
        contexts = (c for t in self._probe().tornados for c in t._applications.values())
        runners = (getattr(h, "_runner", None) for c in contexts for h in c.application.handlers)
        return tuple(r.path for r in runners if r is not None and is_app_file(r.path))


def _rows(ledger: Ledger, mine: list, scripts: tuple[str, ...], running: list) -> tuple[list[dict], float, dict]:
    """A row per holder, the mean size in bytes of the small objects that stayed, and what to watch by name."""
    walk = Walk(ledger, mine)
    groups = [group for group in _groups(walk, ledger, running) if group.plausible]
    groups.sort(key=lambda group: -group.weight)
    groups = groups[:MOST_ROWS]
    trees = walk.subtree({top for group in groups for top in group.tops})
    sizes: list[int] = []
    for group in groups:
        group.cap(walk, ledger, trees)
    groups = [group for group in groups if group.plausible]
    rows = [_row(walk, group, trees, sizes) for group in groups]
    growing = {
        row["holder"]: _watch(walk, group)
        for row, group in zip(rows, groups, strict=True)
        if not _is_running(walk.things[group.place])
    }
    growing[ATEXIT] = (atexit._ncallbacks, int, tuple)
    files = source.app_files(scripts)
    for row in rows:
        row.update(_in_the_source(row, files))
    if lost := _lost_row(walk, ledger, running):
        rows.append(lost)
    small = [size for size in sizes if size <= SMALL]
    return rows, (sum(small) / len(small) if small else 0.0), growing


def _capped(kinds: dict[type, list[int]], ledger: Ledger) -> list[int]:
    """Young things by window, given how many of each type: never more than there are more of that type."""
    total = [0] * len(ledger.cohorts)
    for kind, numbers in kinds.items():
        for window, (number, more) in enumerate(zip(numbers, ledger.more({kind}), strict=True)):
            total[window] += min(number, more)
    return total


def _in_the_source(row: dict, files: tuple[str, ...]) -> dict:
    """Where the application fills and empties a container, and the bound that it gives it."""
    if cached := caches.panel_cache(row["holder"], files):
        return cached
    words = re.findall(r"\w+", row["holder"])
    if not words or row["kind"] not in ("list", "dict", "set", "deque", "OrderedDict", "defaultdict", "Counter"):
        return {"filled": (), "emptied": (), "reads": None, "shrinks": False}
    use = source.use_of(words[-1], files)
    bound = None if use.bound is None else {"size": use.bound, "name": f"{use.bound} items ({use.bound_at})"}
    return {"filled": use.filled, "emptied": use.emptied, "reads": bound, "shrinks": source.shrinks_anywhere(files)}


class Group:
    """Young things that hang on one old thing, in one way."""

    def __init__(self, place: int, tops: list[int], walk: Walk, items: list[int], named: bool = False):
        self.place, self.tops, self.items, self.named = place, tops, items, named
        windows = len(items)
        self.edges, self.below = [0] * windows, [0] * windows
        for top in tops:
            if top in walk.young:
                self.edges[walk.young[top]] += 1
            for cohort, number in enumerate(walk.below.get(top, ())):
                self.below[cohort] += number

    def cap(self, walk: Walk, ledger: Ledger, trees: dict[int, list[int]]) -> None:
        """Count no more young things than there are more of their types."""
        kinds = collections.defaultdict(lambda: [0] * len(self.below))
        for top in self.tops:
            for place in trees.get(top, [top]):
                if place in walk.young:
                    kinds[type(walk.things[place])][walk.young[place]] += 1
        most = _capped(kinds, ledger)
        self.below = [min(pair) for pair in zip(self.below, most, strict=True)]
        self.edges = [min(pair) for pair in zip(self.edges, most, strict=True)]

    @property
    def plausible(self) -> bool:
        """Not only the newest of something, or the rest of something that has ended."""
        return len(self.tops) > 4 or all(self.below) or any(self.items)

    @property
    def weight(self) -> int:
        return sum(self.below) + sum(self.edges) + sum(max(0, n) for n in self.items)


def _running() -> collections.Counter:
    """How many threads run, and how many timers and tasks wait, by what they run."""
    loop = asyncio.get_running_loop()
    waiting = [h for h in getattr(loop, "_scheduled", ()) if not h._cancelled]
    labels = [names.described(thread) for thread in threading.enumerate()]
    return collections.Counter({ATEXIT: atexit._ncallbacks()}) + collections.Counter(
        [*labels, *(names.described(_payload_of_handle(h)) for h in waiting)]
    )


def _threads_and_timers() -> dict[int, object]:
    """What runs on its own, by id: threads, tasks, and what the timers of the loop will run."""
    loop = asyncio.get_running_loop()
    things = list(threading._active.values())
    things += [_payload_of_handle(h) for h in getattr(loop, "_scheduled", ()) if not h._cancelled]
    things += [task for ref in tuple(asyncio.tasks._all_tasks.data) if (task := ref()) is not None]
    return {id(thing): thing for thing in things}


def _is_running(holder) -> bool:
    """Whether a holder is the table of all threads or the event loop: there, each is a holder of its own."""
    return holder is threading._active or isinstance(holder, asyncio.AbstractEventLoop)


def _label(thing) -> str:
    """What a thread, task or timer is called as a holder."""
    described = names.described(thing)
    return described if isinstance(thing, threading.Thread) else f"event loop: {described}"


def _groups(walk: Walk, ledger: Ledger, running: list[collections.Counter]) -> list[Group]:
    groups = []
    nothing = [0] * len(ledger.cohorts)
    for place, tops in walk.edges.items():
        holder = walk.things[place]
        items = ledger.grew(holder)
        kinds = collections.defaultdict(list)
        for top in dict.fromkeys(tops):
            kinds[_kind_of_edge(walk, place, holder, walk.things[top])].append(top)
        for kind, some in kinds.items():
            gained = items if kind is None else nothing
            if _is_running(holder):
                gained = [after[kind] - before[kind] for before, after in itertools.pairwise(running)]
            groups.append(Group(place, some, walk, gained, kind is not None))
    # containers of atoms have no young things that the collector knows
    for place, thing in enumerate(walk.things):
        if place not in walk.edges and place not in walk._tops and isinstance(thing, _CONTAINERS):
            items = ledger.grew(thing)
            if any(items) and place not in walk._later:
                groups.append(Group(place, [], walk, items))
    # a dict that holds nothing but atoms is unknown to the collector: look where it may hang
    seen = {id(walk.things[group.place]) for group in groups}
    for place, thing in enumerate(walk.things):
        for child in gc.get_referents(thing) if place not in walk._tops else ():
            if type(child) is dict and not gc.is_tracked(child) and id(child) not in seen:
                seen.add(id(child))
                if any(items := ledger.grew(child)):
                    walk.things.append(child)
                    walk.above.append(place)
                    groups.append(Group(len(walk.things) - 1, [], walk, items))
    return groups


_CONTAINERS = (list, dict, set, collections.deque, names.LRU)


def _kind_of_edge(walk: Walk, place: int, holder, thing):
    """What tells apart the things that one holder holds for unlike reasons; None where all are alike."""
    if holder is threading._active:
        return names.described(thing)
    above = walk.things[walk.above[place]] if walk.above[place] >= 0 else None
    if isinstance(holder, asyncio.AbstractEventLoop):
        return names.described(_payload_of_handle(thing))
    if isinstance(holder, dict):
        namespace = isinstance(above, types.ModuleType | type) or (
            above is not None and names._own_dict(above) is holder
        )
        return next((k for k, v in list(holder.items()) if v is thing), None) if namespace else None
    if isinstance(holder, _CONTAINERS):
        return None
    return names.attribute(holder, thing) or type(thing).__qualname__


def _payload_of_handle(handle):
    """The task, periodic callback or function that a handle of the event loop will run."""
    thing = handle
    for _ in range(12):
        if isinstance(thing, asyncio.Handle):
            args = thing._args or ()
            thing = next((a for a in args if isinstance(a, asyncio.Future) or callable(a)), None) or thing._callback
            thing = thing if thing is not None else handle
        elif isinstance(thing, functools.partial):
            thing = next((a for a in thing.args if callable(a)), thing.func)
        elif isinstance(thing, types.MethodType) and names.code_of(thing) and not names.line_of(thing):
            thing = thing.__self__
        elif isinstance(thing, asyncio.Task):
            return thing
        elif isinstance(thing, asyncio.Future):
            waiting = [c[0] if isinstance(c, tuple) else c for c in thing._callbacks or ()]
            owners = [getattr(c, "__self__", None) for c in waiting]
            task = next((o for o in owners if isinstance(o, asyncio.Task)), None)
            return task if task is not None else thing
        else:
            return thing
    return thing


def _row(walk: Walk, group: Group, trees: dict[int, list[int]], sizes: list[int]) -> dict:
    holder = walk.things[group.place]
    way = walk.path(group.place)
    newest = max(group.tops, key=lambda top: (walk.young.get(top, -1), top), default=None)
    tree = trees.get(newest, [newest]) if newest is not None else []
    things = [walk.things[place] for place in tree]
    if things and type(things[0]) is tuple:  # its first items tell most, also where something else holds them as well
        things = [*things[:1], *(x for x in things[0] if gc.is_tracked(x)), *things[1:]]
    example = _telling(things)
    steps = _steps(walk, group.place, walk.above, example, tree)
    title, where, owner, code_owner = _title(walk, way, group, things)
    places = [place for top in group.tops for place in trees.get(top, [top])]
    return {
        "holder": title,
        "kind": type(holder).__qualname__,
        "items": group.items,
        "edges": group.edges,
        "below": group.below,
        "length": _length(holder),
        "limit": _limit(walk, way, holder),
        "weak": bool(things) and all(isinstance(walk.things[top], weakref.ref) for top in group.tops),
        "repeats": _repeats(holder, group),
        "ends_in": _ends_in(things),
        "bytes": _bytes(walk, places, holder, group, sizes),
        "chain": names.chain(title, steps),
        "defined": where,
        "owner": owner,
        "filled_by": code_owner,
        "example": names.described(example) if example is not None else "",
        "documents": _count(things, "bokeh.document.document", "Document"),
        "tops": len(group.tops),
        "named": group.named,
    }


def _length(holder) -> int | None:
    """How many items a container has, by what it really is: a length of somebody else's making may fail."""
    if isinstance(holder, names.LRU):
        return holder.cache_info().currsize
    base = next((kind for kind in (dict, list, set, collections.deque) if isinstance(holder, kind)), None)
    return None if base is None else base.__len__(holder)


def _telling(things: list):
    """The one of ``things`` that says most about what is kept."""

    def rank(thing):
        kind = type(thing)
        module = getattr(kind, "__module__", "") or ""
        for number, test in enumerate(
            (
                lambda: isinstance(thing, threading.Thread | asyncio.Task),
                lambda: names._periodic(thing),
                lambda: (
                    kind.__qualname__ in ("Document", "ServerSession")
                    or is_app_module(module)
                    or (module.startswith(("panel.", "holoviews.")) and not module.startswith("panel.io.doc"))
                ),
                lambda: module.startswith(("bokeh.models", "matplotlib.figure", "pandas.", "plotly.")),
                lambda: bool(names.line_of(thing)) and isinstance(thing, types.FunctionType | types.MethodType),
                lambda: kind.__name__ == "ndarray",
                lambda: not isinstance(thing, names._SILENT),
            )
        ):
            if test():
                return number
        return 99

    return min(things, key=rank, default=None)  # the first of the best: the nearest to the holder


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


def _title(walk: Walk, way: list, group: Group, things: list) -> tuple[str, str, str, str]:
    """The holder's name, the line that defines what it runs, the library it belongs to, and whose code filled it."""
    holder = way[-1]
    line = next((names.line_of(thing) for thing in things[:400] if names.line_of(thing)), "")
    if group.tops:
        first = walk.things[group.tops[-1]]
        if holder is threading._active:
            mine = names.line_of(first)
            module = names.code_of(first)
            owner = "app" if mine else _library(module.co_filename if module else "")
            return names.described(first), mine, owner, owner
        if isinstance(holder, asyncio.AbstractEventLoop):
            payload = _payload_of_handle(first)
            code = names.code_of(getattr(payload, "callback", payload))
            mine = names.line_of(getattr(payload, "callback", payload)) or line
            owner = "app" if mine else _library(code.co_filename if code else "")
            return f"event loop: {names.described(payload)}", mine, owner, owner
    name = names.path_name(way)
    if (group.tops and not isinstance(holder, _CONTAINERS)) or _is_namespace(way):
        kind = _kind_of_edge(walk, group.place, holder, walk.things[group.tops[-1]]) if group.tops else None
        name = f"{name}.{kind}" if kind and isinstance(kind, str) else name
    return name, line, _owner(way), "app" if line else ""


def _is_namespace(way: list) -> bool:
    return (
        len(way) > 1
        and isinstance(way[-1], dict)
        and (isinstance(way[-2], types.ModuleType | type) or names._own_dict(way[-2]) is way[-1])
    )


def _owner(way: list) -> str:
    for thing in reversed(way):
        if isinstance(thing, names.LRU):
            return names.owner_of(getattr(getattr(thing, "__wrapped__", None), "__module__", "") or "")
        if isinstance(thing, types.ModuleType):
            return "app" if is_app_file(getattr(thing, "__file__", None)) else names.owner_of(thing.__name__)
    return "python"


def _library(filename: str) -> str:
    if is_app_file(filename):
        return "app"
    _, found, tail = filename.rpartition("-packages" + os.sep)
    return tail.partition(os.sep)[0].removesuffix(".py") if found else "python"


def _limit(walk: Walk, way: list, holder) -> dict | None:
    """The bound of a holder that has one: its size, and how it is called."""
    if isinstance(holder, collections.deque) and holder.maxlen is not None:
        return {"size": holder.maxlen, "name": f"maxlen={holder.maxlen}"}
    for thing in reversed(way[-4:]):
        if isinstance(thing, names.LRU):
            size = thing.cache_parameters()["maxsize"]
            return None if size is None else {"size": size, "name": f"maxsize={size}"}
    for thing in reversed(way[-4:]):
        if isinstance(thing, types.ModuleType | type | types.FunctionType):
            continue
        own = {**_slots(thing), **names._own_dict(thing)}
        for name, value in own.items():
            plain = str(name).rpartition("__")[2].strip("_")  # _Cache__maxsize
            if _BOUNDS.fullmatch(plain.lower()) and type(value) is int and value > 0:
                return {"size": value, "name": f"{plain}={value}"}
    return None


_BOUNDS = re.compile(
    r"max_?(size|items|len|length|entries|count|num|history|workers|records|keys|sessions|users|n)?"
    r"|limit|capacity|size|bound|history|keep"
)


def _slots(thing) -> dict:
    found = {}
    for cls in type(thing).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            member = cls.__dict__.get(name)
            if isinstance(member, types.MemberDescriptorType):
                try:
                    found[name] = member.__get__(thing, cls)
                except AttributeError:
                    continue
    return found


def _newest_items(holder, group: Group) -> list:
    gained = sum(max(0, n) for n in group.items)
    if not gained or not isinstance(holder, list | dict | collections.deque):
        return []
    items = list(holder.values()) if isinstance(holder, dict) else list(holder)
    return items[-gained:]


def _repeats(holder, group: Group) -> bool:
    """Whether what came in is only what was in before, once more: a name in a list of names."""
    if group.tops or not isinstance(holder, list):
        return False
    gained = sum(max(0, n) for n in group.items)
    if not 0 < gained < len(holder):
        return False
    before = {id(item) for item in holder[:-gained]}
    return all(id(item) in before for item in holder[-gained:])


def _ends_in(things: list) -> float | None:
    """Seconds until a one-shot timer lets go of what hangs on it; None when nothing is known to end."""
    for thing in things[:50]:
        if isinstance(thing, threading.Timer):
            return None if _starts_again(thing.function) else float(thing.interval)
        if isinstance(thing, asyncio.TimerHandle):
            payload = _payload_of_handle(thing)
            if names._periodic(payload) or isinstance(payload, asyncio.Task | asyncio.Future):
                return None
            if _starts_again(payload):
                return None
            return max(0.0, thing.when() - asyncio.get_running_loop().time())
    return None


_STARTERS = re.compile(r"Timer|call_(later|at|soon)|add_(timeout|callback|timeout_callback)")


def _starts_again(function) -> bool:
    """Whether a function that a timer runs mentions something that starts timers."""
    code = names.code_of(function)
    return code is not None and any(map(_STARTERS.fullmatch, code.co_names))


def _bytes(walk: Walk, places: list[int], holder, group: Group, sizes: list[int]) -> int:
    """Bytes of what came to hang on a holder: young objects, and the atoms that only they hold."""
    total, seen = 0, set()
    sample = places[:: max(1, len(places) // MOST_SIZED)]
    for place in sample:
        thing = walk.things[place]
        for each in (thing, *(x for x in gc.get_referents(thing) if not gc.is_tracked(x))):
            if id(each) not in seen and (each is thing or _private(each)):
                seen.add(id(each))
                size = _size(each)
                sizes.append(size)
                total += size
    if sample:
        total = total * len(places) // len(sample)
    for item in _newest_items(holder, group):
        if not gc.is_tracked(item) and id(item) not in seen and _private(item):
            seen.add(id(item))
            sizes.append(_size(item))
            total += sizes[-1]
    if isinstance(holder, dict) and not places:
        keys = list(holder)[-max(1, sum(max(0, n) for n in group.items)) :]
        total += sum(_size(key) for key in keys if not gc.is_tracked(key) and _private(key))
    return total


def _private(atom) -> bool:
    """Whether few others hold this string, number or array; the interned and the shared are held by many."""
    return type(atom).__name__ not in ("bool", "NoneType", "code", "type") and sys.getrefcount(atom) <= 6


def _size(thing) -> int:
    if type(thing).__name__ == "ndarray" and hasattr(thing, "nbytes"):
        return int(thing.nbytes) + 112
    measure = type(thing).__sizeof__
    if isinstance(measure, types.FunctionType):  # pandas counts every string of a frame
        return object.__sizeof__(thing) + 16
    try:
        return sys.getsizeof(thing)
    except Exception:
        return 64


def _watch(walk: Walk, group: Group) -> tuple:
    """What a `Tracer` watches of a holder: how much it has, the id of the newest, and the ids of all."""
    holder = walk.things[group.place]
    if group.named:
        kind = _kind_of_edge(walk, group.place, holder, walk.things[group.tops[-1]]) if group.tops else None
        own = holder if isinstance(holder, dict) else names._own_dict(holder)
        changes = itertools.count(1)
        last = [id(own.get(kind)), 0]

        def look() -> int:
            if id(own.get(kind)) != last[0]:
                last[:] = id(own.get(kind)), next(changes)
            return last[1]

        return look, int, tuple
    if isinstance(holder, names.LRU):
        return lambda: holder.cache_info().currsize, int, tuple
    if not isinstance(holder, list | dict | set | collections.deque):
        return int, int, tuple

    def items():
        return holder.values() if isinstance(holder, dict) else holder

    def newest() -> int:
        return 0 if isinstance(holder, set) else id(next(reversed(items())))

    return lambda: _length(holder), newest, lambda: {id(item) for item in list(items())}


def _count(things: list, module: str, name: str) -> int:
    return sum(type(thing).__name__ == name and type(thing).__module__ == module for thing in things)


def _lost_row(walk: Walk, ledger: Ledger, running: list[collections.Counter]) -> dict | None:
    """Things that nothing in Python leads to: a C extension, or a function given to atexit."""
    tables = (ledger.old, ledger.cohorts, ledger.lengths, *ledger.cohorts, *ledger.lengths)
    mine = {id(table) for table in tables}
    lost = [
        x
        for x in walk.lost()
        if id(x) not in mine
        and not isinstance(x, types.FrameType | weakref.ref)
        and not (type(x).__module__ or "").startswith(("sessionlab", "tornado.iostream", "tornado.http"))
        and not (getattr(x, "__module__", None) or "").startswith("sessionlab")
    ]
    kinds = collections.defaultdict(lambda: [0] * len(ledger.cohorts))
    for thing in lost:
        if (cohort := ledger.cohort(id(thing))) is not None:
            kinds[type(thing)][cohort] += 1
    # addresses are used again: no more than there are more of them, of each type and of all
    below = _capped(kinds, ledger)
    below = [max(0, min(pair)) for pair in zip(below, ledger.net(), strict=True)]
    called = [after[ATEXIT] - before[ATEXIT] for before, after in itertools.pairwise(running)]
    if not lost or not (all(below) or all(n > 0 for n in called)):
        return None
    ids = {id(x) for x in lost}
    held = set()
    for thing in lost:
        held.update(id(x) for x in gc.get_referents(thing) if id(x) in ids and x is not thing)
    tops = [x for x in lost if id(x) not in held] or lost
    example = _telling(tops)
    line = next((names.line_of(x) for x in lost if names.line_of(x)), "")
    title = ATEXIT if any(called) else OUTSIDE
    sizes = [_size(x) for x in lost]
    return {
        "holder": title,
        "kind": "C",
        "items": called,
        "edges": [0] * len(below),
        "below": below,
        "length": None,
        "limit": None,
        "weak": False,
        "repeats": False,
        "ends_in": None,
        "bytes": sum(sizes),
        "chain": [title, names.described(example)],
        "defined": line,
        "owner": "app" if line else "python",
        "filled_by": "app" if line else "",
        "example": names.described(example),
        "documents": _count(lost, "bokeh.document.document", "Document"),
        "tops": len(tops),
        "named": True,
    }
