"""Look through a process without stopping it: a forked child walks over the memory as it was at that moment.

The child shares the pages of its parent, runs none of the application's code, writes one answer and ends. It collects
no garbage: what is garbage, nothing leads to, and the walk tells. Where processes cannot fork, it is done in place.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import os
import signal
import time
import warnings
from collections.abc import Callable

from sessionlab.agent import names, retainers
from sessionlab.agent.bounds import length_of
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import CONTAINERS
from sessionlab.agent.ledger import Ledger
from sessionlab.agent.plain import is_a, module_of, qualname_of

LONGEST = 120  # seconds that a child may live
LEAST = 10  # items of a container that is listed
MOST = 4000  # containers, the longest
TYPES = 2000


async def in_a_child(work: Callable[[], dict]) -> dict:
    """What ``work`` returns, called in a copy of this process; ``pause`` are the seconds that the copying took.

    Raises RuntimeError with the child's error if it fails.
    """
    if not hasattr(os, "fork"):
        return {**work(), "pause": None}
    loop = asyncio.get_running_loop()
    read, write = os.pipe()
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child takes no lock that a thread may hold
        pid = os.fork()
    if pid == 0:
        _answer(work, loop, write)
    pause = time.perf_counter() - began
    os.close(write)
    text = await asyncio.to_thread(_read, read, pid)
    answer = json.loads(text or '{"error": "the look into the process ended without an answer"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return {**answer, "pause": pause}


def _answer(work: Callable[[], dict], loop, write: int) -> None:
    """In the child: nothing of the parent's ends with it, so it leaves without a word."""
    try:
        gc.disable()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(LONGEST)
        asyncio._set_running_loop(loop)
        try:
            answer = work()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with open(write, "w") as pipe:
            pipe.write(json.dumps(answer))
    finally:
        os._exit(0)


def _read(read: int, pid: int) -> str:
    with open(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def look(documents: list, whole: bool) -> dict:
    """``held``: rows of those who hold ``documents``, as in a hunt. ``kept``: how many of these something leads to.

    With ``whole`` also ``types``, objects by class, and ``containers``, the lengths of the longest by name.
    """
    ledger = Held(documents)
    walk = Walk(ledger)
    rows, _, _ = retainers._rows(walk, ledger, (), [collections.Counter(), collections.Counter()])
    rows = [row for row in rows if row["kind"] != "C"]  # what nothing leads to waits for the collector
    kept = sum(walk.hangs(document) for document in documents)
    answer = {"held": rows, "kept": kept, "objects": len(gc.get_objects())}
    return {**answer, **_everything(walk)} if whole else answer


class Held(Ledger):
    """A ledger for which these documents are young, and all else is old."""

    def __init__(self, documents: list):
        super().__init__()
        young = set(map(id, documents))
        everything = gc.get_objects()
        types = collections.Counter(id(type(thing)) for thing in everything)
        self.old = set(map(id, everything)) - young
        self.cohorts, self.kinds = [young], [""]
        self.lengths, self.ends = [{}, {}], [{}, {}]
        self.types = [types - collections.Counter(id(type(document)) for document in documents), types]


def _everything(walk: Walk) -> dict:
    counts = collections.Counter(f"{module_of(kind)}.{qualname_of(kind)}" for kind in map(type, gc.get_objects()))
    found: dict[str, int] = {}
    long = []
    for place, thing in enumerate(walk.things):
        if is_a(thing, CONTAINERS) and (length := length_of(thing) or 0) >= LEAST:
            long.append((length, place))
    for length, place in sorted(long, reverse=True)[:MOST]:
        name = names.path_name(walk.path(place))
        found[name] = found.get(name, 0) + length
    return {"types": dict(counts.most_common(TYPES)), "containers": found}
