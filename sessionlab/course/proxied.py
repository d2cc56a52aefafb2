"""Visits through a proxy: whether a reconnect finds its state, and whether an idle page stays connected.

print(await affinity(nginx.url, [one, two]))
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sessionlab.client import visit
from sessionlab.errors import SessionLabError
from sessionlab.server import Server

PATIENCE = 60.0  # seconds in which a busy server has counted a click


@dataclass(frozen=True)
class Affinity:
    """Of so many ``visits``: page loads that ran the app ``twice``, and reconnects that ``found`` their state."""

    visits: int
    twice: int
    found: int

    def __str__(self) -> str:
        return f"app run twice: {self.twice} of {self.visits}, state found: {self.found} of {self.visits}"


async def affinity(url: str, servers: Sequence[Server], visits: int = 6) -> Affinity:
    """One visit after the other: open the page, click, lose the wire, and be back at once.

    The page has a button "add one" and a field "count", as `notebooks/apps/production.py` has. ``servers`` are those
    that may have answered. Raises what `visit` raises.
    """
    twice = found = 0
    for _ in range(visits):
        async with visit(url) as session:
            await session.click("add one")
            await session.wait_for("count", value=1, timeout=PATIENCE)
            await session.drop()
            built = await asyncio.to_thread(_built, servers, session.id)
            await session.reconnect()
            found += session.value("count") == 1
            twice += built > 1
    return Affinity(visits, twice, found)


def _built(servers: Sequence[Server], session_id: str) -> int:
    """How often the session has been built, in all processes."""
    events = [event for server in servers for event in server.probe.timeline().events]
    return sum(event["event"] == "created" and event["id"] == session_id for event in events)


async def idle(url: str, seconds: float, cookies: Sequence[dict[str, str]] = ({},)) -> list[str]:
    """What has become of pages that nobody touches for so many seconds: ``connected`` or ``cut``.

    One page for each of the ``cookies``, all at the same time.
    """

    async def page(cookie: dict[str, str]) -> str:
        async with visit(url, cookies=cookie) as session:
            with contextlib.suppress(SessionLabError):
                await session.wait_for(lambda session: session.closed is not None, timeout=seconds)
            return "cut" if session.closed else "connected"

    return await asyncio.gather(*map(page, cookies))
