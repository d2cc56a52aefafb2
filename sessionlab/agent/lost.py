"""Young things that nothing in Python leads to: a C extension holds them, or atexit. Runs in the served process."""

from __future__ import annotations

import collections
import gc
import itertools
import types
import weakref

from sessionlab.agent import names
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import capped
from sessionlab.agent.ledger import Ledger
from sessionlab.agent.plain import is_a, module_of, read
from sessionlab.agent.rows import telling
from sessionlab.agent.running import ATEXIT
from sessionlab.agent.sizes import size_of
from sessionlab.agent.where import is_lab

_SERVING = ("tornado.iostream", "tornado.http")
OUTSIDE = "a C extension, outside Python's own objects"


def _of_nobody(module) -> bool:
    """Whether what is from there belongs to the lab, or to the connection that asks."""
    return is_a(module, str) and (is_lab(module) or module.startswith(_SERVING))


def lost_row(walk: Walk, ledger: Ledger, running: list[collections.Counter]) -> dict | None:
    """Things that nothing in Python leads to: a C extension, or a function given to atexit."""
    tables = (ledger.old, ledger.cohorts, ledger.lengths, ledger.refs, *ledger.cohorts, *ledger.lengths)
    mine = {id(table) for table in tables}
    lost = [
        x
        for x in walk.lost
        if id(x) not in mine
        and not is_a(x, types.FrameType | weakref.ref)
        and not (is_a(x, types.MethodType) and walk.hangs(x.__self__))  # what a thread is about to run
        and not any(map(_of_nobody, (module_of(type(x)), read(x, "__module__"))))
    ]
    kinds: dict = collections.defaultdict(lambda: [0] * len(ledger.cohorts))
    for thing in lost:
        if (cohort := ledger.cohort(id(thing))) is not None:
            kinds[id(type(thing))][cohort] += 1
    # addresses are used again: no more than there are more of them, of each type and of all
    below = capped(kinds, ledger)
    below = [max(0, min(pair)) for pair in zip(below, ledger.net(), strict=True)]
    called = [after[ATEXIT] - before[ATEXIT] for before, after in itertools.pairwise(running)]
    if not lost or not (ledger.throughout(below) or all(n > 0 for n in called)):
        return None
    ids = {id(x) for x in lost}
    held: set[int] = set()
    for thing in lost:
        held.update(id(x) for x in gc.get_referents(thing) if id(x) in ids and x is not thing)
    tops = [x for x in lost if id(x) not in held] or lost
    example = telling(tops)
    line = next((names.line_of(x) for x in lost if names.line_of(x)), "")
    title = ATEXIT if any(called) else OUTSIDE
    sizes = [size_of(x) for x in lost]
    return {
        "holder": title,
        "through": [],
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
        "example": names.described(example),
        "tops": len(tops),
        "named": True,
    }
