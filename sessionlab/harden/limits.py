"""Caps on how many sessions a process holds, so that visitors who leave cannot fill its memory."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import logging
import math
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop

from . import admission, destroy, fastapi
from .admission import Refusal, Visitor
from .served import has_connected, is_reused, resident_memory, sessions, watch, wrap

log = logging.getLogger("sessionlab.harden")

UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
SIZE = re.compile(r"\s*(\d*\.?\d+(?:e\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
ARRIVING = 10.0  # seconds that a page may take to open its websocket; until then it is nobody's leftover

evicted: Counter[str] = Counter(
    retained=0, live=0, per_user=0, memory=0
)  # sessions ended before their time, by the cap that asked for it
_due: list[IOLoop] = []  # where a look at the limits is scheduled


@dataclass(frozen=True)
class SessionLimits:
    """How many sessions one process keeps, in all its applications together.

        SessionLimits(retained=100, live=300, per_user=5, memory="1.5 GB").install()

    Parameters
    ----------
    retained : sessions kept for users who may come back: without a connection, and not just being opened.
        Default 100. The one that has been without a connection for longest goes first; its user gets a new session.
        Not lower than the number of users at a time: a proxy that restarts cuts all of them off at once.
    live : sessions of any kind, those that are just being opened included. At the cap a new visitor takes the
        place of the oldest retained session; if there is none, the answer is a page that says so, with status 503.
    per_user : live sessions of one user. A further one takes the place of that user's oldest retained session; if there
        is none, the answer is such a page. Who is not logged in has no such cap, unless ``user`` tells them apart.
    memory : the resident memory of the process, as a number of bytes or as text ("800 MB", "1.5 GiB"). Above it,
        retained sessions go, a quarter at a time; new visitors get that page until it is below again or no session
        is left. (Python gives memory back late and in part: put the line where the process has still room to work.)
    user : ``user(request)`` gives the user's name, or None, from a Tornado request; by default the name of the login.

    A session with a connection is never ended, nor one that is blocked from expiring. Numbers are kept at every
    page load, disconnect and check for unused sessions. With ``--num-procs`` each process has these caps for itself.

    Call ``install()`` once per process: in a module given with ``--plugins``, in a ``--setup`` file, before
    ``pn.serve``, or in the served script, where it begins to act with the first session. The last call counts.

    Adds what Bokeh 3.8 to 3.10 and Panel 1.9 lack: they keep every session for its lifetime, however many
    there are, and admit every visitor until the process is killed. To be dropped when they have caps of their own.

    Raises
    ------
    ValueError : a cap that is no positive number, or a ``memory`` that cannot be read.
    RuntimeError : ``memory`` on Windows, where the standard library cannot tell how much a process holds.
    """

    retained: int | None = 100
    live: int | None = None
    per_user: int | None = None
    memory: float | str | None = None
    user: Callable[[HTTPServerRequest], str | None] | None = None

    current: ClassVar[SessionLimits]  # once it is installed

    def __post_init__(self):
        for name, least in (("retained", 0), ("live", 1), ("per_user", 1)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= least):
                raise ValueError(f"{name} is a whole number of sessions of at least {least}, or None; got {value!r}")
        object.__setattr__(self, "memory", _bytes(self.memory))
        if self.memory is not None and resident_memory() is None:
            raise RuntimeError("a memory limit needs Linux or macOS: nothing here tells how much a process holds")

    @property
    def _over(self) -> bool:
        """Whether the process holds more memory than it may."""
        return isinstance(self.memory, int) and (resident_memory() or 0) > self.memory

    def install(self) -> SessionLimits:
        """Put the limits in force in this process, in place of earlier ones. Raises RuntimeError in FastAPI."""
        fastapi.refuse("SessionLimits")
        SessionLimits.current = self
        _wire()
        return self

    # -- who is admitted -----------------------------------------------------------------------------------------------

    async def admit(self, visitor: Visitor) -> Refusal | None:
        """Make room for a visitor who wants a new session, or say why there is none."""
        if visitor.session is not None:
            return None
        if self.user is not None:
            visitor.name(self.user(visitor.request))
        user = visitor.named
        await self.enforce()
        if sessions() and self._over:
            return Refusal(
                "memory",
                "The application is full.",
                "Its memory is used up by those who work with it. A place is free as soon as somebody leaves.",
            )
        if (most := self.per_user) is not None and user is not None:

            def own() -> list:
                return [pair for pair in sessions() if admission.user_of(pair[1]) == user]

            if not await _make_room(own, lambda: most - admission.coming(user), "per_user"):
                return Refusal(
                    "per_user",
                    "You have too many sessions open.",
                    f"At most {self.per_user} at a time are possible. Close another tab of this application, "
                    "then this one opens.",
                )
        if (live := self.live) is not None and not await _make_room(
            sessions, lambda: live - admission.coming(), "live"
        ):
            return Refusal(
                "live",
                "The application is full.",
                "As many people use it as it can serve. A place is free as soon as somebody leaves.",
            )
        # Nobody else gets a turn between the last look at the numbers and the moment when the newcomer counts.
        return None

    # -- who is kept ---------------------------------------------------------------------------------------------------

    async def enforce(self) -> None:
        """End retained sessions, oldest first, until their number and the memory are within the limits."""
        if self.retained is not None:
            kept = [pair for pair in sessions() if _is_retained(pair[1])]
            for pair in _evictable(kept)[: max(0, len(kept) - self.retained)]:
                await _evict(pair, "retained")
        if self.memory is not None:
            await self._free_memory()

    async def _free_memory(self) -> None:
        while self._over and (victims := _evictable(sessions())):
            for pair in victims[: max(1, len(victims) // 4)]:
                await _evict(pair, "memory")
            if hooks := [h._task for h in destroy._live if h._task is not None]:  # what they may need is kept till then
                await asyncio.wait(hooks, timeout=1)
            gc.collect()
            _trim()


def _bytes(memory: float | str | None) -> int | None:
    """As `sessionlab.sizes.read_size`, without the lab; a test sees to it that both read the same."""
    if memory is None:
        return None
    found = SIZE.fullmatch(str(memory))
    if found and found[2].lower() in UNITS:
        size = float(found[1]) * UNITS[found[2].lower()]
        if 1 <= size < math.inf:
            return int(size)
    raise ValueError(f"memory is a number of bytes or a text like '800 MB' or '1.5 GiB', got {memory!r}")


def _is_retained(session: ServerSession) -> bool:
    arriving = not has_connected(session) and session.milliseconds_since_last_unsubscribe < 1000 * ARRIVING
    return session.connection_count == 0 and not arriving and not is_reused(session)


def _evictable(pairs: list) -> list[tuple[ApplicationContext, ServerSession]]:
    """Those among the sessions that may be ended, the one that is least recently used first."""
    may_go = [pair for pair in pairs if _is_retained(pair[1]) and not pair[1].expiration_blocked]
    return sorted(may_go, key=lambda pair: pair[1].milliseconds_since_last_unsubscribe, reverse=True)


async def _make_room(group: Callable[[], list], cap: Callable[[], int], why: str) -> bool:
    """Whether ``group()`` has fewer than ``cap()`` sessions, once its retained ones have made way."""
    while len(pairs := group()) >= cap():
        victims = _evictable(pairs)
        if not victims or not await _evict(victims[0], why):
            return False
    return True


async def _evict(pair: tuple[ApplicationContext, ServerSession], why: str) -> bool:
    context, session = pair
    if session.destroyed or session.connection_count > 0:  # since it was chosen
        return False
    await context._discard_session(session, lambda s: s.connection_count == 0)
    if session.destroyed:
        evicted[why] += 1
        log.info("session %s ended before its lifetime: the limit on %s sessions", session.id, why)
    return session.destroyed


def _trim() -> None:
    """Ask the C library to give free memory back to the system; only GNU's can."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@functools.cache
def _wire() -> None:
    """Ask the installed limits at every page load, disconnect, and check for unused sessions."""
    watch()
    admission.door()
    admission.checks["limits"] = lambda visitor: SessionLimits.current.admit(visitor)

    async def enforce() -> None:
        _due.clear()
        await SessionLimits.current.enforce()

    def unsubscribe(original):
        def unsubscribe(self, connection):
            original(self, connection)
            if self._loop is not None and not _due:
                _due.append(self._loop)
                self._loop.add_callback(enforce)

        return unsubscribe

    def cleanup(original):
        async def _cleanup_sessions(self, unused_session_linger_milliseconds):
            await original(self, unused_session_linger_milliseconds)
            await SessionLimits.current.enforce()

        return _cleanup_sessions

    wrap(ServerSession, "unsubscribe", unsubscribe)
    wrap(ApplicationContext, "_cleanup_sessions", cleanup)
