"""What do the sessions of an application leave behind? A quick look, and no verdict: that is the hunter's.

left = await left_behind(["apps/casebook/figure_leaky.py", "apps/casebook/figure_fixed.py"])
print(left["figure_leaky"])
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessionlab.errors import SessionLabError
from sessionlab.observe.results import Census, Result
from sessionlab.serve import Server, serve
from sessionlab.visit.crowd import visit_together
from sessionlab.visit.protocol import Session

WARM_UP, VISITS = 8, 10
SERVERS = 3  # at a time; they start on one core each
COUNTED = ("sessions", "documents", "models", "parameterized", "app_objects", "threads", "tasks", "objects")
PATIENCE = 30.0  # seconds until every session that may end has ended


@dataclass(frozen=True)
class Left(Result):
    """What each of ``visits`` sessions left on average: counts, rounded to whole ones.

    ``app_objects`` are instances of classes that the application defined, ``objects`` all that the garbage
    collector knows, ``bytes`` the heap in use (None where the C library cannot tell).
    """

    app: str
    visits: int
    sessions: int
    documents: int
    models: int
    parameterized: int
    app_objects: int
    threads: int
    tasks: int
    objects: int
    bytes: int | None

    @property
    def counts(self) -> dict[str, int]:
        """The counts that do not waver, without those that are zero."""
        return {name: n for name in COUNTED[:-1] if (n := getattr(self, name))}


def emptied(server: Server, patience: float = PATIENCE) -> Census:
    """Discard every session that may end, collect the garbage, and count what is there.

    Blocked sessions stay. Raises SessionLabError if another one is still there after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        server.probe.discard_unused()
        staying = [session for session in server.probe.sessions() if not session.blocks]
        if not staying:
            return server.probe.census(settle=True)
        if time.monotonic() > deadline:
            raise SessionLabError(
                f"{len(staying)} sessions did not end within {patience:g} s.",
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
    together: int = 2,
    panel_args: Sequence[str] = (),
) -> Mapping[str, Left]:
    """Serve each application, let ``visits`` come and go after a ``warm_up``, and count what they left.

    Parameters
    ----------
    apps : scripts; some are served at a time, each by a server of its own.
    during : what each visitor does: an async function of its `Session`.
    together : how many visitors an application has at a time.

    Returns a `Left` for each script, by its name without the suffix.
    """
    places = asyncio.Semaphore(SERVERS)

    async def one(app) -> Left:
        async with places:
            server = await asyncio.to_thread(serve, app, panel_args=panel_args)
            with server:
                await _visit(server, warm_up, together, during)
                before = await asyncio.to_thread(emptied, server)
                await _visit(server, visits, together, during)
                after = await asyncio.to_thread(emptied, server)
        return _left(Path(app).stem, before, after)

    return {left.app: left for left in await asyncio.gather(*map(one, apps))}


async def _visit(server: Server, number: int, together: int, during) -> None:
    crowd = await visit_together(server, number, together=together, during=during)
    if crowd.failed:
        raise SessionLabError(
            f"{len(crowd.failed)} of {number} visits failed.",
            why=crowd.failed[0].error,
            advice="look at the application's log: server.log.",
        )


def _left(app: str, before: Census, after: Census) -> Left:
    number = after.created - before.created

    def each(name: str) -> int:
        now, then = getattr(after, name), getattr(before, name)
        if name == "app_objects":
            now, then = sum(now.values()), sum(then.values())
        return round((now - then) / number)

    heap = None if after.heap is None else round((after.heap - before.heap) / number)
    return Left(app, number, **{name: each(name) for name in COUNTED}, bytes=heap)
