"""The agent: what the lab can ask a served process, and do in it, over HTTP on the server's own port.

`install` is called in the served process before Panel or Bokeh start. Every server of the process then
answers below ``/_sessionlab/``, whatever its prefix: to loopback peers only, and only with the token. The
answers are JSON. The agent touches no application; it imports the standard library, Tornado, Bokeh and psutil.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import hmac
import importlib
import ipaddress
import json
import os
import sys
import time
import traceback
import weakref

import psutil
import tornado.httpserver
import tornado.netutil
import tornado.process
import tornado.web
from tornado.ioloop import PeriodicCallback

from sessionlab.agent.census import census, freeze, list_sessions, resident, settle
from sessionlab.agent.containers import Containers
from sessionlab.agent.elements import Elements
from sessionlab.agent.lifecycle import Lifecycle
from sessionlab.agent.patches import Patches
from sessionlab.agent.resident import meet
from sessionlab.agent.ring import EventRing, MemoryLine
from sessionlab.agent.workers import Workers

TOKEN_HEADER = "X-Sessionlab-Token"
TIMELINE_BYTES = 2 << 20
SAMPLE_EVERY = 1.0  # seconds between two samples of the memory
LONGEST_POLL = 30.0  # seconds
# A reverse proxy on this machine is a loopback peer that speaks for somebody else.
_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Host")


def install(token: str, elements: bool = False, port: int = 0) -> Agent:
    """Put the agent into every Bokeh server that this process makes; ``elements`` switches the element log on.

    ``port`` is where it answers for servers that are none of Tornado's; 0 is any.
    """
    agent = Agent(token, port)
    agent.install()
    if elements:
        agent.elements.switch_on()
    return agent


class Agent:
    """The agent of one process. Holds no session, document or model; its memory is taken here and stays."""

    def __init__(self, token: str, port: int = 0):
        self.token, self._port = token, port
        self.memory = MemoryLine(resident)
        self.lifecycle = Lifecycle(EventRing(TIMELINE_BYTES), self.memory)
        self.elements = Elements()
        self.containers = Containers()
        self.servers: weakref.WeakSet = weakref.WeakSet()  # Bokeh's, of Tornado or of FastAPI
        self._samplers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self.workers = Workers()
        self.patches = Patches()
        self._has_counted = False
        self._frozen: collections.Counter = collections.Counter()  # see `post_freeze`
        self.allowed: set[str] | None = None  # what may be asked; None is everything
        self.extra: dict = {}  # name -> function: what a further module answers, see `post_extend`

    @property
    def own_bytes(self) -> int:
        parts = (self.memory, self.lifecycle, self.lifecycle.ring, self.containers, self.elements)
        return sum(part.nbytes for part in parts)

    def install(self) -> None:
        from bokeh.server.tornado import BokehTornado

        self.lifecycle.install()
        self.patches.wrap(BokehTornado, "__init__", self._add_routes)
        self.patches.wrap(BokehTornado, "start", self._start_sampling)

    def uninstall(self) -> None:
        self.patches.undo()
        self.lifecycle.uninstall()
        self.elements.switch_off()

    def _add_routes(self, original):
        def __init__(server, *args, **kwargs):
            original(server, *args, **kwargs)
            # added here rather than through extra_patterns, which would put them behind the server's prefix
            server.add_handlers(r".*", [(r"/_sessionlab/(\w+)", AgentHandler, {"agent": self})])
            self.servers.add(server)
            self.lifecycle.watch_websockets()

        return __init__

    def _start_sampling(self, original):
        def start(server, *args, **kwargs):
            original(server, *args, **kwargs)
            if not self._samplers:
                self._sample(server)
                if (number := tornado.process.task_id()) is not None:
                    self.workers.enter(number, self._open_private_port())

        return start

    def _sample(self, server) -> None:
        self._samplers[server] = sampler = PeriodicCallback(self.memory.sample, SAMPLE_EVERY * 1000)
        sampler.start()

    def start_here(self) -> None:
        """Answer on a port of the agent's own, on the running event loop: for servers that are none of Tornado's."""
        others = [server for server in self.servers if not isinstance(server, tornado.web.Application)]
        if others and not self._samplers:
            self._sample(others[0])
            self._open_private_port(self._port)

    def _open_private_port(self, port: int = 0) -> int:
        """A loopback port of this worker alone: on the server's port, the kernel chooses which worker answers."""
        about = {"agent": self, "private": True}
        routes = tornado.web.Application([(r"/_sessionlab/(\w+)", AgentHandler, about)])
        (socket,) = tornado.netutil.bind_sockets(port, "127.0.0.1")
        tornado.httpserver.HTTPServer(routes).add_sockets([socket])
        return socket.getsockname()[1]

    # -- what can be asked ---------------------------------------------------------------------------------

    async def get_hello(self, ask) -> dict:
        names = ("bokeh", "bokeh_fastapi", "panel", "holoviews", "param", "tornado")
        versions = {n: getattr(sys.modules[n], "__version__", None) for n in names if n in sys.modules}
        versions["tornado"] = tornado.version
        return {
            "versions": {"python": sys.version.split()[0], **versions},
            "monotonic": time.monotonic(),
            "started": psutil.Process().create_time(),
            "apps": sorted({url for s in self.servers for url in s._applications}),
            "servers": [{"prefix": s._prefix, "routes": sorted(s._applications)} for s in self.servers],
            "private": ask.private,
            "elements": self.elements.on,
            "errors": self._errors(),
        }

    async def get_census(self, ask) -> dict:
        begin = time.monotonic()
        if not gc.get_freeze_count():
            self._frozen.clear()  # the application has called gc.unfreeze
        unreachable = await settle(ask.flag("trim")) if ask.flag("settle") else None
        took = time.monotonic() - begin
        if not self._has_counted:  # the first count fills caches, psutil's for instance, and would see them grow
            self._has_counted = bool(census(self.servers, self.lifecycle, 0, 0, self._frozen))
        counts = census(
            self.servers, self.lifecycle, self.own_bytes, len(self._samplers), self._frozen, ask.flag("types")
        )
        return {**counts, "unreachable": unreachable, "seconds": counts["seconds"] + took}

    async def get_sessions(self, ask) -> dict:
        return {"sessions": list_sessions(self.servers)}

    def _errors(self) -> list[str]:
        """What went wrong in the agent itself."""
        return sorted(self.lifecycle.errors | self.elements.errors)

    async def get_timeline(self, ask) -> dict:
        ring, number = self.lifecycle.ring, ask.since()
        await ring.wait(number, min(ask.number("wait"), LONGEST_POLL))
        samples = self.memory.since(ask.number("sampled"))
        return {**ring.since(number), "memory": samples, "monotonic": time.monotonic(), "errors": self._errors()}

    async def get_elements(self, ask) -> dict:
        number = ask.since()
        self.elements.flush()
        await self.elements.ring.wait(number, min(ask.number("wait"), LONGEST_POLL))
        self.elements.flush()
        return {**self.elements.ring.since(number), "on": self.elements.on, "monotonic": time.monotonic()}

    async def get_containers(self, ask) -> dict:
        if ask.flag("settle"):
            await settle()
        begin = time.monotonic()
        rows = self.containers.grown()
        return {"containers": rows, "seconds": time.monotonic() - begin}

    # -- what can be done ----------------------------------------------------------------------------------

    async def post_mark(self, ask) -> dict:
        await settle()
        return {"containers": self.containers.mark()}

    async def post_collect(self, ask) -> dict:
        begin = time.monotonic()
        unreachable = await settle(ask.flag("trim"))
        return {"unreachable": unreachable, "seconds": time.monotonic() - begin, "rss": resident()}

    async def post_freeze(self, ask) -> dict:
        """Asked twice, so that nothing of a request stays: first to ``meet`` what is there."""
        await settle()
        if ask.flag("meet"):
            meet()
        else:
            self._frozen.update(freeze())
        return {}

    async def post_elements(self, ask) -> dict:
        if ask.flag("on"):
            self.elements.switch_on()
        else:
            self.elements.switch_off()
        return {"on": self.elements.on}

    async def post_reset(self, ask) -> dict:
        self.lifecycle.restart([session for _, session in self._sessions()])
        if self.elements.on:
            await settle()  # else what is garbage now would be noted as freed later
            self.elements.flush()
        self.elements.ring.clear()
        self.memory.clear()
        return {}

    async def post_extend(self, ask) -> dict:
        """Let a further module of the agent answer: its ``install(agent)`` adds to ``extra``."""
        importlib.import_module("sessionlab.agent." + ask.text("module")).install(self)
        return {}

    async def post_discard(self, ask) -> dict:
        """Discard the sessions without a connection that have been unused for ``idle`` seconds."""
        rows = [s for s in list_sessions(self.servers) if not s["connections"] and s["unused"] >= ask.number("idle")]
        return await self._discard({row["id"] for row in rows})

    async def post_end(self, ask) -> dict:
        """Close the websockets of one session and discard it."""
        session_id = ask.text("id")
        found = [s for _, s in self._sessions() if s.id == session_id]
        if not found:
            return {"discarded": 0, "kept": [], "missing": True}
        sockets = [c._socket for session in found for c in session._subscribed_connections]
        wires = [getattr(socket, "ws_connection", None) for socket in sockets]  # which is forgotten when it is closed
        for socket in sockets:
            if hasattr(socket, "close"):
                socket.close(1000, "ended by the lab")
            else:  # FastAPI's
                await socket._socket.close(1000, "ended by the lab")
        if not await _gone(found, 0.5):  # a visitor that does not say goodbye is cut off
            for wire in filter(None, wires):
                wire.stream.close()
            await _gone(found, 1.0)
        del found
        return await self._discard({session_id})

    async def _discard(self, ids: set[str]) -> dict:
        """Run the server's own discarding, with its locks and hooks, on those of ``ids`` that it may take."""
        begin = self.lifecycle.destroyed
        for context, session in self._sessions():
            if session.id in ids and not session.connection_count and not session.destroyed:
                session.request_expiration()
                if not getattr(session, "_sessionlab_blocks", 0):
                    await context._discard_session(session, lambda s: s.connection_count == 0)
        kept = [s for s in list_sessions(self.servers) if s["id"] in ids]
        return {"discarded": self.lifecycle.destroyed - begin, "kept": kept}

    def _sessions(self):
        return [(c, s) for each in self.servers for c in each._applications.values() for s in tuple(c.sessions)]


async def _gone(sessions, seconds: float) -> bool:
    """Wait until nobody is connected to ``sessions``; false if somebody still is after ``seconds``."""
    deadline = time.monotonic() + seconds
    while connected := any(s.connection_count for s in sessions):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.01)
    return not connected


class AgentHandler(tornado.web.RequestHandler):
    """Answers ``GET`` and ``POST /_sessionlab/NAME`` with what ``Agent.get_NAME`` or ``post_NAME`` returns."""

    def initialize(self, agent: Agent, private: bool = False) -> None:
        self.agent, self.private = agent, private

    def prepare(self) -> None:
        if not self._is_near():
            raise tornado.web.HTTPError(404)
        if not hmac.compare_digest(self.request.headers.get(TOKEN_HEADER, "").encode(), self.agent.token.encode()):
            raise tornado.web.HTTPError(403)

    def _is_near(self) -> bool:
        """Whether the peer is on this machine, and speaks for itself. Headers cannot change the socket's peer."""
        if any(name in self.request.headers for name in _FORWARDED):
            return False
        with contextlib.suppress(OSError, ValueError, AttributeError):
            address = self.request.connection.stream.socket.getpeername()[0]  # type: ignore[union-attr]  # or it raises
            address = ipaddress.ip_address(address)
            return (getattr(address, "ipv4_mapped", None) or address).is_loopback
        return False

    async def get(self, name: str) -> None:
        await self._answer("get_" + name)

    async def post(self, name: str) -> None:
        await self._answer("post_" + name)

    async def _answer(self, name: str) -> None:
        method = getattr(self.agent, name, None) or self.agent.extra.get(name)
        if method is None:
            raise tornado.web.HTTPError(404)
        if self.agent.allowed is not None and name not in self.agent.allowed:
            raise tornado.web.HTTPError(403, reason="This agent only lets itself be looked at")
        answer = await method(self)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({**answer, **self.agent.workers.answer()}))

    def write_error(self, status_code: int, **kwargs) -> None:
        error = "".join(traceback.format_exception(*kwargs["exc_info"])) if status_code >= 500 else self._reason
        self.finish(json.dumps({"error": error}))

    def text(self, name: str) -> str:
        return self.get_query_argument(name, "")

    def flag(self, name: str) -> bool:
        return self.text(name) == "1"

    def number(self, name: str) -> float:
        try:
            return max(0.0, float(self.text(name) or 0))
        except ValueError:
            raise tornado.web.HTTPError(400, reason=f"{name} is not a number") from None

    def since(self) -> int:
        """Number of the first event that is wanted; each worker of ``--num-procs`` counts its own."""
        return max(1, int(self.number(f"since_{os.getpid()}") or self.number("since")))

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: a request that carries the token in a header was not made by a foreign page."""

    def _log(self) -> None:
        """Keep the lab's questions out of the server's log."""
