"""What do the sessions of an application leave behind? A quick look, and no verdict: that is the hunter's.

left = await left_behind(["apps/casebook/figure_leaky.py", "apps/casebook/timer_leaky.py"])
print(left["figure_leaky"].types)
"""

from __future__ import annotations

import asyncio
import collections
import functools
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sessionlab.client.crowd import visit_together
from sessionlab.client.protocol import Session
from sessionlab.errors import AppFailed, SessionLabError
from sessionlab.leaks import hunt
from sessionlab.leaks.result import HuntResult
from sessionlab.probe.results import Census, Result
from sessionlab.server import Server, serving

WARM_UP, VISITS = 2, 5
COUNTED = ("sessions", "documents", "models", "parameterized", "threads", "tasks", "periodic")
GOING = ("documents", "tasks", "parameterized", "threads")  # what may still go after its session
PAUSE = 0.6  # seconds between two looks
PATIENCE = 120.0  # seconds until every session that may end has ended, on a busy machine
READY = 300.0  # seconds until every page has been built once


@dataclass(frozen=True)
class Left(Result):
    """What each of ``visits`` sessions left on average.

    ``counts`` and ``types`` (by the name of the class, without its module) are rounded to whole ones, and name what is
    not zero. ``objects`` are all that the garbage collector knows; ``bytes`` is the heap in use, or where the
    C library cannot tell the memory that is the process's own. ``log``: the lines that the server wrote meanwhile.
    """

    app: str
    visits: int
    counts: Mapping[str, int]
    objects: float
    bytes: float
    types: Mapping[str, int] = field(repr=False)
    log: tuple[str, ...] = field(repr=False)

    def of(self, kind: str) -> int:
        """How many of a class, or of a count such as ``"documents"``, each session left."""
        return self.counts.get(kind, 0) or self.types.get(kind, 0)


def emptied(server: Server, *, before: Census | None = None, types: bool = False) -> Census:
    """Discard every session that may end, let its last timers run, collect the garbage, and count what is there.

    Blocked sessions stay. With ``before``, an earlier count, it is enough that there is no more than then;
    otherwise it is counted until nothing goes any more. Raises SessionLabError if a session does not end.
    """
    _discard_all(server)
    count = server.probe.census(settle=True, types=types)
    while before is None or any(getattr(count, name) > getattr(before, name) for name in GOING):
        list(server.probe.follow(timeout=PAUSE))  # what a session still waits for, such as an indicator that goes off
        last, count = count, server.probe.census(settle=True, types=types)
        if not any(getattr(count, name) < getattr(last, name) for name in GOING):
            break
    return count


def _freeze(server: Server) -> None:
    """Libraries stay anyway: without them, each of the many counts is a matter of milliseconds."""
    _discard_all(server)
    server.probe.freeze()


def _discard_all(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        server.probe.discard_unused()
        staying = [session for session in server.probe.sessions() if not session.blocks]
        if not staying:
            return
        if time.monotonic() > deadline:
            raise SessionLabError(
                f"{len(staying)} sessions did not end within {PATIENCE:g} s.",
                why="A visitor is still connected, or a hook does not return.",
                advice="close the visits before counting.",
            )
        list(server.probe.follow(timeout=0.05))  # a server notices a moment later that a visitor has left


async def left_behind(
    apps: Sequence[str | os.PathLike],
    *,
    visits: int = VISITS,
    warm_up: int = WARM_UP,
    during: Callable[[Session], Awaitable] | None = None,
    framework: str = "panel",
    servers: int = 1,
) -> dict[str, Left]:
    """Serve the applications, let ``visits`` come to each after a ``warm_up``, and count what they left.

    A server has them as pages, and visitors come to one page after the other: so what is left can be told apart.
    ``servers`` run beside each other, each with its share of the pages. ``during`` is what each visitor does: an async
    function of its `Session`. ``framework``: as for `serve`.

    Returns a `Left` for each script, by its name without the suffix. Raises what `serve` raises, AppFailed also when
    a script fails for a later visitor, and SessionLabError when a visit fails.
    """
    shares = [apps[place::servers] for place in range(servers)]
    measured = await asyncio.gather(*(_left_behind(share, visits, warm_up, during, framework) for share in shares))
    left = {name: each for share in measured for name, each in share.items()}
    return {name: left[name] for name in map(_name, apps)}


async def hunts(apps: Sequence[str | os.PathLike], **options) -> dict[str, HuntResult]:
    """Hunt in several applications at the same time, with the same options of `hunt`; by the names of the scripts."""
    results = await asyncio.gather(*(asyncio.to_thread(functools.partial(hunt, app, **options)) for app in apps))
    return dict(zip(map(_name, apps), results, strict=True))


async def _left_behind(apps: Sequence[str | os.PathLike], visits: int, warm_up: int, during, framework: str):
    async with serving(apps, framework=framework, ready_timeout=READY, preload=False) as server:
        await asyncio.to_thread(_freeze, server)
        for name in map(_name, apps):
            await _visit(server.urls[f"/{name}"], warm_up, during)
        before, left = await asyncio.to_thread(emptied, server, types=True), {}
        for name in map(_name, apps):
            said = len(await asyncio.to_thread(server.read_log))
            await _visit(server.urls[f"/{name}"], visits, during)
            after = await asyncio.to_thread(emptied, server, before=before, types=True)
            left[name] = _left(name, before, after, (await asyncio.to_thread(server.read_log))[said:])
            before = after
        if failures := server.log.events("app-failed"):
            raise AppFailed("A script failed for one of the visitors.", why=failures[0]["detail"])
    return left


def _name(app: str | os.PathLike) -> str:
    return Path(app).stem


async def _visit(url: str, number: int, during) -> None:
    crowd = await visit_together(url, number, together=2, during=during)
    if crowd.failed:
        raise SessionLabError(
            f"{len(crowd.failed)} of {number} visits of {url} failed.",
            why=crowd.failed[0].error,
            advice="look at the application's log: server.log.",
        )


def _left(app: str, before: Census, after: Census, log: list[str]) -> Left:
    number = after.created - before.created
    counts = {name: round((getattr(after, name) - getattr(before, name)) / number) for name in COUNTED}
    grown = collections.Counter(after.types)
    grown.subtract(before.types)
    types: collections.Counter = collections.Counter()
    for name, more in grown.items():
        types[name.rpartition(".")[2]] += round(more / number)
    memory = "uss" if after.heap is None else "heap"
    return Left(
        app=app,
        visits=number,
        counts={name: more for name, more in counts.items() if more},
        objects=(after.objects - before.objects) / number,
        bytes=(getattr(after, memory) - getattr(before, memory)) / number,
        types={name: more for name, more in types.most_common() if more},
        log=tuple(log),
    )
