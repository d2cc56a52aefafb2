"""Count what lives in the served process: sessions, documents, models, threads, tasks, bytes.

Runs in the served process, on the server's event loop. Every count is of objects that the garbage collector
knows; `settle` first lets go of what only waits to be collected.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import gc
import heapq
import mmap
import os
import re
import sys
import threading
import time
import types

import psutil
import tornado

from sessionlab.agent.plain import ids, module_of, mro, qualname_of
from sessionlab.agent.resident import settle_down
from sessionlab.agent.where import is_app_module

_TORNADO = os.path.dirname(tornado.__file__) + os.sep
# whose tasks serve connections, where the server is none of Tornado's
_ASGI = re.compile(r"[/\\]site-packages[/\\](uvicorn|websockets|wsproto|starlette|hypercorn|anyio)[/\\]")


@functools.lru_cache(maxsize=1)
def _process_of(pid: int) -> psutil.Process:
    return psutil.Process(pid)


def _process() -> psutil.Process:
    """This process, also after a fork."""
    return _process_of(os.getpid())


def heap_in_use() -> int | None:
    """Bytes that `malloc` has handed out and not got back; None where the C library cannot tell."""
    if not hasattr(psutil, "heap_info"):
        return None
    heap = psutil.heap_info()
    return heap.heap_used + heap.mmap_used


def resident() -> int:
    """Resident memory of this process in bytes; the short way on Linux, for it is asked at every event."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as statm:
            return int(statm.read().split()[1]) * mmap.PAGESIZE
    except OSError:
        return _process().memory_info().rss


def trim() -> None:
    """Give free pages of the C heap back to the operating system, where that can be asked for."""
    if hasattr(psutil, "heap_trim"):
        psutil.heap_trim()


def purge_timers(loop: asyncio.AbstractEventLoop) -> int:
    """Drop the cancelled timers that asyncio keeps until half of its timers are cancelled; return how many."""
    scheduled = getattr(loop, "_scheduled", None)
    if not isinstance(scheduled, list):
        return 0
    alive = [timer for timer in scheduled if not timer._cancelled]
    for timer in scheduled:
        timer._scheduled = not timer._cancelled
    dropped = len(scheduled) - len(alive)
    heapq.heapify(alive)
    vars(loop).update(_scheduled=alive, _timer_cancelled_count=0)
    return dropped


async def settle(trimmed: bool = False) -> int:
    """Let everything go that is no longer held; return how many objects the collector found unreachable.

    Callbacks that are due run first. Collection is repeated until it finds nothing, because objects with a
    ``__del__`` take more than one pass.
    """
    for _ in range(3):
        await asyncio.sleep(0)
    purge_timers(asyncio.get_running_loop())
    found = 0
    for _ in range(5):
        unreachable = gc.collect()
        found += unreachable
        if not unreachable:
            break
    if trimmed:
        trim()
    return found


def tally(objects: list | None = None) -> collections.Counter:
    """What the garbage collector knows, or these objects, counted by `(what, name)`.

    Numbers and names only: it holds nothing. ``what`` is ``"kind"``, ``"app"``, ``"type"`` or ``"all"``. Objects that
    have been frozen are not among it.
    """
    objects = gc.get_objects() if objects is None else objects
    kinds = {id(cls): cls for cls in map(type, objects)}  # a class may refuse to be a key
    numbers = collections.Counter(map(id, map(type, objects)))
    counts = [(cls, numbers[number]) for number, cls in kinds.items()]
    modules, periodics = _modules_and_periodics(objects)
    found = collections.Counter(
        {("all", "objects"): len(objects), ("all", "app_modules"): modules, ("all", "periodic"): periodics}
    )
    del objects
    for kind, bases in _kinds().items():
        found["kind", kind] = sum(number for cls, number in counts if not bases.isdisjoint(map(id, mro(cls))))
    for cls, number in counts:
        found["type", f"{module_of(cls)}.{qualname_of(cls)}"] += number
        if is_app_module(module_of(cls)):
            found["app", _shown_class(cls)] += number
    return found


def freeze() -> collections.Counter:
    """Take all that exists for permanent, and return its tally: neither collections nor tallies look at it again."""
    return tally(settle_down())


def census(
    servers, lifecycle, own_bytes: int, own_timers: int, frozen: collections.Counter, with_types: bool = False
) -> dict:
    """Count once.

    ``servers`` are those of Bokeh; ``own_bytes`` and ``own_timers`` are what the agent itself holds, which is
    left out, as is the request that asks. ``frozen`` is the tally of what was frozen, which is added.
    """
    begin = time.monotonic()
    found = tally()
    found.update(frozen)
    by: dict[str, dict] = collections.defaultdict(dict)
    for (what, name), number in found.most_common():
        by[what][name] = number
    tasks, timers = len(tasks_at_work()), _timers()
    sessions = list_sessions(servers)
    unique, files, children = _unique(), _files(), len(_process().children(recursive=True))
    # Bytes come last: what this module caches the first time has been paid for by now.
    memory = _process().memory_info()
    heap, blocks = heap_in_use(), sys.getallocatedblocks()
    result = {
        "monotonic": begin,
        "sessions": len(sessions),
        "connected": sum(s["state"] == "connected" for s in sessions),
        "disconnected": sum(s["state"] != "connected" for s in sessions),
        "blocked": sum(s["blocks"] > 0 for s in sessions),
        "pending": sum(len(c._pending_sessions) for s in servers for c in s._applications.values()),
        "created": lifecycle.created,
        "destroyed": lifecycle.destroyed,
        **by["kind"],
        "app_modules": by["all"]["app_modules"],
        "app_objects": dict(sorted(by["app"].items())),
        "objects": by["all"]["objects"],
        "blocks": blocks,
        "threads": len(threading.enumerate()),
        "tasks": tasks,
        "timers": timers - own_timers,
        "periodic": by["all"]["periodic"] - own_timers,
        "heap": None if heap is None else heap - own_bytes,
        "rss": memory.rss,
        "uss": unique,
        "files": files,
        "children": children,
    }
    if with_types:
        result["types"] = by["type"]
    result["seconds"] = time.monotonic() - begin
    return result


def list_sessions(servers) -> list[dict]:
    """Every session that the servers know, with its state: new (never connected), connected or disconnected."""
    now = time.monotonic()
    rows = []
    for server in servers:
        for context in server._applications.values():
            for session in tuple(context.sessions):
                born = getattr(session, "_sessionlab_born", None)
                visited = getattr(session, "_sessionlab_visited", True)
                connections = session.connection_count
                rows.append(
                    {
                        "id": session.id,
                        "session": getattr(session, "_sessionlab_number", None),
                        "app": context.url,
                        "state": "connected" if connections else "disconnected" if visited else "new",
                        "connections": connections,
                        "age": None if born is None else now - born,
                        "unused": None if connections else session.milliseconds_since_last_unsubscribe / 1000,
                        "blocks": getattr(session, "_sessionlab_blocks", session.expiration_blocked_count),
                        "blocked_count": session.expiration_blocked_count,
                        "expiring": session.expiration_requested,
                        "roots": len(session.document.roots),
                        "models": len(session.document.models),
                        "callbacks": len(session.document.session_callbacks),
                    }
                )
    return rows


def _kinds() -> dict[str, frozenset[int]]:
    """What a census counts, by the ids of the classes that have been imported so far."""
    wanted = {
        "documents": [("bokeh.document.document", "Document")],
        "models": [("bokeh.model.model", "Model")],
        "session_objects": [("bokeh.server.session", "ServerSession")],
        "parameterized": [("param.parameterized", "Parameterized")],
        "elements": [("holoviews.core.dimension", "Dimensioned")],
        "dataframes": [("pandas", "DataFrame")],
    }
    return {
        kind: ids(*(getattr(sys.modules[m], c) for m, c in places if hasattr(sys.modules.get(m), c)))
        for kind, places in wanted.items()
    }


def _shown_class(cls: type) -> str:
    """The classes of a script are made anew for every session; they are counted together."""
    module = module_of(cls)
    return f"{'app' if module.startswith('bokeh_app_') else module}.{qualname_of(cls)}"


def tasks_at_work() -> list[asyncio.Task]:
    """The tasks of the running loop, without those in which a server serves its connections; none without a loop."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return []
    codes = ((task, getattr(task.get_coro(), "cr_code", None)) for task in tasks)
    return [task for task, code in codes if code is None or not _serves(code.co_filename)]


@functools.lru_cache(maxsize=256)
def _serves(filename: str) -> bool:
    return filename.startswith(_TORNADO) or bool(_ASGI.search(filename))


def _timers() -> int:
    """How many live timers the running loop has."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return 0
    return sum(not timer._cancelled for timer in getattr(loop, "_scheduled", ()))


def _modules_and_periodics(objects: list) -> tuple[int, int]:
    """Modules of served scripts, and periodic callbacks that run: Tornado's own and those of Documents.

    The module of a destroyed session has been emptied, its name included; one that is still there is counted.
    """
    from bokeh.util.tornado import _AsyncPeriodic
    from tornado.ioloop import PeriodicCallback

    modules = running = 0
    wanted = ids(types.ModuleType, PeriodicCallback, _AsyncPeriodic)
    for thing in [x for x in objects if id(type(x)) in wanted]:
        if type(thing) is types.ModuleType:
            modules += str(thing.__dict__.get("__name__", "bokeh_app_")).startswith("bokeh_app_")
        elif type(thing) is PeriodicCallback:
            running += thing.is_running()
        else:
            running += thing._started and not thing._stopped
    return modules, running


def _unique() -> int | None:
    """Memory that would come free if this process ended; None where the system does not tell."""
    try:
        return _process().memory_full_info().uss
    except (psutil.Error, AttributeError, OSError):
        return None


def _files() -> int | None:
    """Open file descriptors, sockets included; None where the system does not tell."""
    try:
        return _process().num_fds()
    except (psutil.Error, AttributeError, OSError):
        return None
