"""What runs on its own in the served process: threads, tasks, and the timers of the event loop.

Runs there: standard library only. The table of all threads and the event loop hold them all; each of them counts as
a holder of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import functools
import re
import sys
import threading
import types
import weakref

from sessionlab.agent import names
from sessionlab.agent.census import tasks_at_work
from sessionlab.agent.plain import is_a, read

ATEXIT = "atexit callbacks"
THREADS: dict[int, threading.Thread] = vars(threading)["_active"]  # CPython's own table, by the thread's number


def count_running() -> collections.Counter:
    """How many threads run, and how many timers and tasks wait, by what they run."""
    loop = asyncio.get_running_loop()
    timers = [payload_of(h) for h in getattr(loop, "_scheduled", ()) if not h._cancelled]
    # a task that sleeps has a timer, and is one; timers may share a function, and are as many as there are
    alone = [payload for payload in timers if not is_a(payload, asyncio.Task)]
    things = [*threading.enumerate(), *alone, *tasks_at_work()]
    return collections.Counter({ATEXIT: atexit._ncallbacks()}) + collections.Counter(map(names.described, things))


def by_id() -> dict[int, object]:
    """What runs on its own, by id: threads, tasks, and what the timers of the loop will run."""
    loop = asyncio.get_running_loop()
    things = list(THREADS.values())
    things += [payload_of(h) for h in getattr(loop, "_scheduled", ()) if not h._cancelled]
    return {id(thing): thing for thing in [*things, *tasks_at_work()]}


def registered_tasks() -> set:
    """Tornado's own table of what it awaits. It says nothing that the event loop does not say by name."""
    ioloop = getattr(sys.modules.get("tornado.ioloop"), "IOLoop", None)
    return getattr(ioloop, "_pending_tasks", set())


def holds_running(holder) -> bool:
    """Whether a holder is the table of all threads or the event loop: there, each is a holder of its own."""
    return holder is THREADS or is_a(holder, asyncio.AbstractEventLoop)


def label(thing) -> str:
    """What a thread, task or timer is called as a holder."""
    described = names.described(thing)
    return described if is_a(thing, threading.Thread) else f"event loop: {described}"


def payload_of(handle):
    """The task, periodic callback or function that a handle of the event loop will run."""
    thing = handle
    for _ in range(12):
        if is_a(thing, asyncio.Handle):
            args = thing._args or ()
            thing = next((a for a in args if is_a(a, asyncio.Future) or callable(a)), None) or thing._callback
            thing = thing if thing is not None else handle
        elif is_a(thing, functools.partial):
            thing = next((a for a in thing.args if callable(a)), thing.func)
        elif is_a(thing, types.MethodType) and names.code_of(thing) and not names.line_of(thing):
            thing = thing.__self__
        elif is_a(thing, asyncio.Task):
            return thing
        elif is_a(thing, asyncio.Future):
            waiting = [c[0] if is_a(c, tuple) else c for c in thing._callbacks or ()]
            owners = [read(c, "__self__") for c in waiting]
            task = next((o for o in owners if is_a(o, asyncio.Task)), None)
            return task if task is not None else thing
        else:
            return thing
    return thing


def pool_of(threads: list) -> tuple[int, dict] | None:
    """The number of workers and the bound of the pool that all of ``threads`` work for; None for any others."""
    refs = [next(iter(read(thread, "_args") or ()), None) for thread in threads]
    pools = {id(pool): pool for ref in refs if is_a(ref, weakref.ref) and (pool := ref()) is not None}  # type: ignore[misc]
    if len(pools) != 1 or not all(is_a(ref, weakref.ref) for ref in refs):
        return None
    (pool,) = pools.values()
    most = read(pool, "_max_workers")
    if not is_a(most, int):
        return None
    return len(read(pool, "_threads", ())), {"size": most, "name": f"max_workers={most}"}


def ends_in(things: list) -> float | None:
    """Seconds until a one-shot timer lets go of what hangs on it; None when nothing is known to end."""
    for thing in things[:50]:
        if is_a(thing, threading.Timer):
            return None if _starts_again(thing.function) else float(thing.interval)
        if is_a(thing, asyncio.TimerHandle):
            payload = payload_of(thing)
            if names._periodic(payload) or is_a(payload, asyncio.Task | asyncio.Future):
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
