"""The servers and sessions of this process, for the parts of ``harden`` that act on more than one session.

Bokeh keeps no list of its servers, and a served script sees one application only. `watch` finds the servers that
exist and learns of later ones; the other functions look at what they serve.
"""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import types
import weakref
from collections.abc import Callable
from pathlib import Path

from bokeh.server.contexts import ApplicationContext
from bokeh.server.server import BaseServer
from bokeh.server.session import ServerSession
from panel.io.state import state

_servers: weakref.WeakSet[BaseServer] = weakref.WeakSet()
_seen: weakref.WeakKeyDictionary[ServerSession, bool] = weakref.WeakKeyDictionary()  # True: has had a connection


def wrap(owner: type | types.ModuleType, name: str, around: Callable[[Callable], Callable]) -> None:
    """Replace ``owner.name`` by ``around`` of what it is now."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(around(original)))


@functools.cache
def watch() -> None:
    """From now on `servers` and `has_connected` know what this process serves. Costs one look at all objects."""
    _servers.update(thing for thing in gc.get_objects() if issubclass(type(thing), BaseServer))
    for _, session in sessions():
        _seen[session] = session.connection_count > 0

    def init(original):
        def __init__(self, *args, **kwargs):
            original(self, *args, **kwargs)
            _servers.add(self)

        return __init__

    def subscribe(original):
        def subscribe(self, connection):
            original(self, connection)
            _seen[self] = True

        return subscribe

    wrap(BaseServer, "__init__", init)
    wrap(ServerSession, "subscribe", subscribe)


def servers() -> list[BaseServer]:
    """The servers of this process that have started and not stopped."""
    return [server for server in _servers if server._started and not server._stopped]


def applications() -> list[ApplicationContext]:
    """What serves each application of this process."""
    return [context for server in servers() for context in server._tornado.applications.values()]


def sessions() -> list[tuple[ApplicationContext, ServerSession]]:
    """Every session of this process with what serves it."""
    return [(context, session) for context in applications() for session in context.sessions]


def has_connected(session: ServerSession) -> bool:
    """Whether ``session`` has had a connection, now or earlier. A page load makes one before its websocket comes."""
    return _seen.get(session, False)


def is_reused(session: ServerSession) -> bool:
    """Whether Panel keeps ``session`` for later visitors (``--reuse-sessions``); it is blocked for good then."""
    return any(kept is session for kept in state._sessions.values())


def resident_memory() -> int | None:
    """Bytes of memory that this process holds; None on Windows, where the standard library cannot tell."""
    if sys.platform == "linux":
        import resource

        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    if sys.platform == "win32":
        return None
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024
