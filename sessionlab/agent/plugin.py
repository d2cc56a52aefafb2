"""The agent in a server that is in production: it is asked by who has the token, and changes nothing.

It answers on loopback only, below ``/_sessionlab/`` of the server's own port; in FastAPI on a port of its own, which
``SESSIONLAB_AGENT_PORT`` chooses. What it tells are counts, types and names of what the application's modules hold: no
value of a widget, no session's id, no user. ``SESSIONLAB_AGENT=full`` allows what the lab does with the servers that it
has started itself.

What costs is done in a forked child (`look.py`), and not at all while the event loop lags.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import weakref
from pathlib import Path

from sessionlab.agent import look
from sessionlab.agent.agent import Agent
from sessionlab.agent.census import heap_in_use, resident
from sessionlab.agent.patches import WhenImported

TOKEN, MODE, PORT = "SESSIONLAB_TOKEN", "SESSIONLAB_AGENT", "SESSIONLAB_AGENT_PORT"
LEAST = 32  # characters of a token
READ = {"get_hello", "get_watch", "get_look"}
LAG = 0.05  # seconds: a look waits while the event loop is later than this
PATIENCE = 10.0  # seconds that it waits at most
PRUNED = 256  # references, at least, after which the dead ones are dropped
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_installed: list[Agent] = []


def install() -> None:
    """Put the agent into every server that this process makes from now on.

    Raises RuntimeError when there is no token, or a short one.
    """
    if _installed:
        return
    token = os.environ.get(TOKEN, "")
    if len(token) < LEAST:
        found = f"one of {len(token)} characters" if token else "none"
        raise RuntimeError(
            f"The agent needs a token of at least {LEAST} characters in {TOKEN}, and found {found}: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
        )
    agent = Agent(token, int(os.environ.get(PORT, "0") or 0))
    if os.environ.get(MODE) != "full":
        agent.allowed = READ
    ended = Ended()
    ended.install(agent)
    agent.install()
    agent.extra.update(get_watch=Watch(agent, ended).answer, get_look=Look(agent, ended).answer)
    if "bokeh_fastapi.application" in sys.modules:
        _with_fastapi(agent)
    else:
        sys.meta_path.insert(0, WhenImported({"bokeh_fastapi.application": lambda module: _with_fastapi(agent)}))
    _installed.append(agent)


def _with_fastapi(agent: Agent) -> None:
    from sessionlab.agent import fastapi

    fastapi.install(agent, {})


class Ended:
    """The Documents of sessions that have ended and that are still there, by weak references."""

    def __init__(self) -> None:
        self._documents: list[weakref.ref] = []
        self._many = PRUNED
        self.number = 0

    def install(self, agent: Agent) -> None:
        from bokeh.server.session import ServerSession

        def around(original):
            def destroy(session):
                self._documents.append(weakref.ref(session.document))
                self.number += 1
                if len(self._documents) > self._many:  # though nobody looks
                    self._many = 2 * len(self.documents()) + PRUNED
                original(session)

            return destroy

        agent.patches.wrap(ServerSession, "destroy", around)

    def documents(self) -> list:
        """Those that nobody has let go, or that the collector has not come to yet."""
        self._documents = [reference for reference in self._documents if reference() is not None]
        return [document for reference in self._documents if (document := reference()) is not None]


class Watch:
    """What is asked every few seconds: plain numbers that cost next to nothing."""

    def __init__(self, agent: Agent, ended: Ended):
        self._agent, self._ended = weakref.ref(agent), ended

    async def answer(self, ask) -> dict:
        agent = self._agent()
        assert agent is not None  # it is asking
        sessions = [session for _, session in agent._sessions()]
        return {
            "created": agent.lifecycle.created,
            "ended": self._ended.number,
            "live": len(sessions),
            "connected": sum(session.connection_count > 0 for session in sessions),
            "heap": heap_in_use(),
            "blocks": sys.getallocatedblocks(),
            "rss": resident(),
            "limit": limit(),
            "collections": gc.get_stats()[2]["collections"],
            "began": agent.lifecycle._started,
            "lag": round(await lag(), 4),
        }


class Look:
    """A look through the whole process, at the cost of a fork."""

    def __init__(self, agent: Agent, ended: Ended):
        self._agent, self._ended, self._looking = weakref.ref(agent), ended, asyncio.Lock()

    async def answer(self, ask) -> dict:
        """Who holds what ended sessions left, how many objects of each type there are, and how long containers are."""
        agent = self._agent()
        assert agent is not None
        async with self._looking:
            began = time.monotonic()
            while await lag() > LAG and time.monotonic() - began < PATIENCE:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            numbers = await Watch(agent, self._ended).answer(ask)
            answer = await look.in_a_child(lambda: look.look(self._ended.documents(), ask.flag("whole")))
        return {**answer, "numbers": numbers}


async def lag() -> float:
    """Seconds by which the event loop is late with what is due now."""
    began = time.perf_counter()
    await asyncio.sleep(0)
    return time.perf_counter() - began


def limit() -> int | None:
    """Bytes of memory that the container may have; None where nobody limits it."""
    for place in LIMITS:
        try:
            text = Path(place).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None
