"""Who holds what a session left behind. Runs in the served process, on request of the hunt.

`install` adds three questions to the agent: ``turn`` closes a window of the ledger, ``trace`` switches the
tracing of allocations, ``holders`` walks the process and answers with one row per place that gained something
in the windows. The rows say what was measured; whether it is a leak is decided in the lab (``decision.py``).
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import contextlib
import contextvars
import gc
import itertools
import re
import sys
import time
import weakref

from sessionlab.agent import caches, names, source, values
from sessionlab.agent.at_work import AtWork, open_connections
from sessionlab.agent.bounds import length_of
from sessionlab.agent.census import heap_in_use, settle
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import Group, groups_of, kind_of_edge
from sessionlab.agent.ledger import Ledger
from sessionlab.agent.lost import lost_row
from sessionlab.agent.plain import is_a, items_of, own_dict
from sessionlab.agent.rows import row_of
from sessionlab.agent.running import ATEXIT, by_id, count_running, holds_running, label
from sessionlab.agent.sizes import Sizes
from sessionlab.agent.tracer import Tracer
from sessionlab.agent.where import is_app_file

SMALL = 512  # bytes; above it Python asks malloc, below it its own pools
MOST_ROWS = 60
SOON = 0.2  # seconds
_WORDS = re.compile(r"\w+")  # once, and now: the table of patterns would have gained it while sessions are counted


def install(agent) -> None:
    """Let ``agent`` answer for a hunt."""
    hunter = Retainers(agent)
    agent.extra.update(get_pace=hunter.pace, post_turn=hunter.turn, post_trace=hunter.trace, get_holders=hunter.holders)
    agent.extra.update(get_distributions=_distributions)


async def _distributions(ask) -> dict:
    """Name and version of the distribution of each package that has been imported: ``panel`` -> ``panel 1.9.4``."""
    from importlib import metadata  # at the end of a hunt only: it fills tables of its own

    found = {}
    for package, (distribution, *_) in metadata.packages_distributions().items():
        if package in sys.modules:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[package] = f"{distribution} {metadata.version(distribution)}"
    return {"distributions": found}


class Retainers:
    """The hunt's end in the served process."""

    def __init__(self, agent):
        self.ledger = Ledger()
        self._at_work = AtWork()
        self._running: list[collections.Counter] = []  # what runs, by its label, at each turn
        self._growing: dict = {}  # what to watch, by the name of the holder
        self._tracer: Tracer | None = None
        self._weights: dict[tuple[int, int], int] = {}  # of single values, when the tracing began
        self._agent = weakref.ref(agent)

    async def pace(self, ask) -> dict:
        """How long (in seconds) a visit has to stay until every callback that it waits for has run once, how many
        of them run once, soon: Panel takes in an edit by such a callback, 50 ms later; and how many tasks and threads
        that worked when this was last asked with ``left`` may end within ``older`` seconds: a busy indicator goes off
        half a second after the work, though its session has ended; and how many have ended since the window was closed.
        ``connections`` are open, that of this question among them.
        ``worked`` are the seconds of processor time that the event loop's thread has had at ``clock``.
        """
        periods, soon = [], 0
        for _, session in self._agent()._sessions():
            for callback in session.document.session_callbacks:
                once = getattr(callback, "period", None) is None
                seconds = (getattr(callback, "timeout" if once else "period", None) or 0) / 1000
                periods.append(seconds)
                soon += once and seconds <= SOON
        if ask.flag("left"):
            self._at_work.leave()
        working = self._at_work.young(ask.number("older"))
        return {
            "periods": sorted(periods),
            "soon": soon,
            "working": working,
            "ended": self._at_work.ended(),
            "connections": open_connections(),
            "worked": time.thread_time(),
            "clock": time.perf_counter(),
        }

    async def turn(self, ask) -> dict:
        """Close a window of a ``kind`` and open the next; or close the newest ``again``, as it is now.

        ``anew`` begins with no window, and keeps so many apart. What was remembered of the last look is forgotten: it
        would be counted.

        Returns the ``heap`` in bytes and the number of ``objects`` before and after: what the ledger itself takes lies
        between.
        """
        self._growing = {}
        caches.forget()
        source.forget()
        await settle()
        before = heap_in_use(), len(gc.get_objects())
        if ask.flag("again"):
            self.ledger.reopen()
            self._running.pop()
        if anew := round(ask.number("anew")):
            self.ledger, self._running = Ledger(anew), []
        self.ledger.turn(ask.text("kind"))
        self._at_work.mark()
        self._running = [*self._running, count_running()][-len(self.ledger.lengths) :]
        after = heap_in_use(), len(gc.get_objects())
        return {"heap": [before[0], after[0]], "objects": [before[1], after[1]]}

    async def trace(self, ask) -> dict:
        """Follow the application's lines, watching what `holders` found last; or stop, and say what was seen."""
        if ask.flag("on"):
            self._weights = values.weigh()
            self._tracer = Tracer(self._growing, by_id, label)
            self._tracer.start()
            return {}
        tracer, self._tracer = self._tracer, None
        lines, heap = (tracer.stop(), tracer.heap.most_common(20)) if tracer else ({}, [])
        return {"lines": lines, "heap": dict(heap)}

    async def holders(self, ask) -> dict:
        await settle()
        begin = time.monotonic()
        connection = getattr(ask.request, "connection", None)
        task = asyncio.current_task()
        mine = [task, ask, ask.request, connection, getattr(connection, "stream", None)]
        mine += [task and task.get_coro(), contextvars.copy_context()]
        walk = Walk(self.ledger, mine)
        files = source.app_files(self._scripts())
        rows, small, self._growing = _rows(walk, self.ledger, files, self._running)
        heavier = values.rows_of(walk, self._weights) if self._weights else []
        for row in heavier:
            row["filled"] = _used(row["holder"], files).filled
        return {
            "holders": rows,
            "values": heavier,
            "small": small,
            "files": files,
            "odd": walk.odd,
            "seconds": time.monotonic() - begin,
        }

    def _scripts(self) -> tuple[str, ...]:
        contexts = (c for t in self._agent().servers for c in t._applications.values())
        runners = (getattr(h, "_runner", None) for c in contexts for h in c.application.handlers)
        return tuple(r.path for r in runners if r is not None and is_app_file(r.path))


def _rows(walk: Walk, ledger: Ledger, files: tuple[str, ...], running: list) -> tuple[list[dict], float, dict]:
    """A row per holder, the mean size in bytes of the small blocks that stayed, and what to watch by name."""
    groups = [group for group in groups_of(walk, ledger, running) if group.plausible(ledger)]
    groups = [group for group in groups if not group.consequence(walk, ledger)]
    groups.sort(key=lambda group: -group.weight)
    groups = groups[:MOST_ROWS]
    trees = walk.subtree({top for group in groups for top in group.tops})
    sizes = Sizes(SMALL)
    for group in groups:
        group.cap(walk, ledger, trees)
    groups = [group for group in groups if group.plausible(ledger)]
    rows = [row_of(walk, group, trees, sizes) for group in groups]
    growing = {}
    for row, group in zip(rows, groups, strict=True):  # the heaviest of those that share a name
        if row["holder"] not in growing and not holds_running(walk.things[group.place]):
            growing[row["holder"]] = watched(walk, group)
    growing[ATEXIT] = (atexit._ncallbacks, int, tuple)
    for row in rows:
        row.update(_in_the_source(row, files))
    if lost := lost_row(walk, ledger, running):
        rows.append(lost)
    return rows, sizes.small / max(1, sizes.blocks), growing


def _in_the_source(row: dict, files: tuple[str, ...]) -> dict:
    """Where the application fills and empties a container, and the bound that it gives it."""
    if cached := caches.panel_cache(row["holder"], files):
        return cached
    if not _WORDS.search(row["holder"]) or row["kind"] not in (
        "list",
        "dict",
        "set",
        "deque",
        "OrderedDict",
        "defaultdict",
        "Counter",
    ):
        return {"filled": (), "emptied": (), "reads": None, "shrinks": False}
    use = _used(row["holder"], files)
    bound = None if use.bound is None else {"size": use.bound, "name": f"{use.bound} items ({use.bound_at})"}
    return {"filled": use.filled, "emptied": use.emptied, "reads": bound, "shrinks": source.shrinks_anywhere(files)}


def _used(holder: str, files: tuple[str, ...]) -> source.Use:
    """How the application uses what is known to it by the last word of the holder's name."""
    return source.use_of(_WORDS.findall(holder)[-1], files)


def watched(walk: Walk, group: Group) -> tuple:
    """What a `Tracer` watches of a holder: how much it has, the id of the newest, and the ids of all."""
    holder = walk.things[group.place]
    if group.named:
        kind = kind_of_edge(walk, group.place, holder, walk.things[group.tops[-1]]) if group.tops else None
        own = holder if is_a(holder, dict) else own_dict(holder)
        changes = itertools.count(1)
        last = [id(own.get(kind)), 0]

        def look() -> int:
            if id(own.get(kind)) != last[0]:
                last[:] = id(own.get(kind)), next(changes)
            return last[1]

        return look, int, tuple
    if is_a(holder, names.LRU):
        return lambda: holder.cache_info().currsize, int, tuple
    if not is_a(holder, list | dict | set | collections.deque):
        return int, int, tuple

    def newest() -> int:
        return 0 if is_a(holder, set) else id(items_of(holder)[-1])

    return lambda: length_of(holder), newest, lambda: set(map(id, items_of(holder)))
