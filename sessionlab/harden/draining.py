"""SIGTERM as an orderly end: users are told, work is finished, every hook runs, and no process is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import math
import os
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import tornado.process
from bokeh.document.events import RootAddedEvent
from bokeh.models.widgets import Div
from bokeh.server.connection import ServerConnection
from bokeh.server.contexts import ApplicationContext
from bokeh.server.server import BaseServer
from bokeh.server.session import ServerSession

from . import admission, destroy, fastapi
from .admission import Refusal, Visitor
from .current import asyncio_loop_of, running_loop
from .processes import Lifeline, follow_parent
from .served import is_reused, servers, sessions, watch, wrap

log = logging.getLogger("sessionlab.harden")

# functions that give what is left to do while the server still says that it is ready
before: list[Callable[[], list[Coroutine]]] = []
AT_ONCE = 0.5  # seconds that it may take

GOING_AWAY = 1001  # the close code of a server that goes down
BANNER: dict[str, str | None] = {
    "position": "fixed",
    "inset": "auto 0 0 0",
    "box-sizing": "border-box",
    "width": "100%",
    "margin": "0",
    "z-index": "9000",
    "padding": "0.6em 1em",
    "text-align": "center",
    "font": "1rem/1.4 system-ui, sans-serif",
    "color": "#1b1b1b",
    "background": "#ffe08a",
    "box-shadow": "0 1px 4px rgba(0, 0, 0, 0.4)",
}


@dataclass(frozen=True)
class Plan:
    """What `drain` was told; all in seconds but the message."""

    grace: float
    notice: float
    hooks: float
    message: str


def drain(
    grace: float = 25,
    *,
    notice: float = 2,
    hooks: float = 5,
    message: str = "The server is about to restart. Please finish what you are typing.",
) -> None:
    """From now on SIGTERM ends this process in an orderly way, with exit code 0, within ``grace`` seconds.

    Parameters
    ----------
    grace : seconds from the signal to the end. Choose it a few seconds shorter than what kills the process
        afterwards: 30 s in Kubernetes, 10 s with ``docker stop``.
    notice : seconds in which everybody can still work after the message is shown, and in which those who route
        visitors learn from ``/readyz`` that none should come.
    hooks : seconds at the end of ``grace`` that are kept for the destroy hooks.
    message : what the users who are connected read on their page.

    What happens at the signal:

    - ``/readyz`` (see ``sessionlab.harden.metrics``) answers 503. Who wants a new session gets a page that says so,
      with status 503, which a load balancer may answer by asking another server.
    - A line at the foot of every connected page shows ``message``.
    - After ``notice``, sessions are ended: the websocket is closed with code 1001, the session destroyed, and its
      hooks run, those of Bokeh and Panel and those of ``on_session_destroyed``. A page that reconnects goes elsewhere.
    - A session that is blocked from expiring (``block_expiration``, its ``linger`` included, or a callback that is
      running) is left alone until it is free, at most until ``grace - hooks``. A callback that still holds the event
      loop then is interrupted by an exception that no ``except Exception`` catches.
    - The server stops, as stock, with ``on_server_unloaded``. A thread that keeps the process from ending is left
      behind at ``grace``; the exit code is 1 if a hook had not finished by then.

    Call it once per process: in a module given with ``--plugins``, or before ``pn.serve``. There it acts from the
    start, and with ``--num-procs`` in the parent too: a signal to the parent drains all processes, they drain when
    the parent is killed, and as PID 1 of a container it works like any other. A ``--setup`` file or the served
    script runs in the processes that serve, and too late for their parent, which dies of the signal: then they drain
    as well, but with a script only those that have had a visitor. Ctrl-C stays what it is. A handler for SIGTERM
    that the application installs later wins.

    Replaces what SIGTERM does to stock Panel 1.9 with Bokeh 3.8 and 3.9: the process exits at once, no session hook
    runs, the parent of ``--num-procs`` leaves its children running, and as PID 1 it does not even notice the signal.
    To be dropped when Bokeh drains; Bokeh 3.10 destroys the sessions when it stops, and does no more.

    Raises
    ------
    ValueError : a duration that is negative, or ``notice + hooks`` longer than ``grace``.
    RuntimeError : in FastAPI, whose server drains by itself.
    """
    fastapi.refuse("drain")
    for name, value in (("grace", grace), ("notice", notice), ("hooks", hooks)):
        if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is a number of seconds of at least 0, got {value!r}")
    if notice + hooks > grace:
        raise ValueError(f"notice ({notice:g} s) and hooks ({hooks:g} s) do not fit into grace ({grace:g} s)")
    _drainer.plan = Plan(grace, notice, hooks, message)
    _drainer.wire()


def is_draining() -> bool:
    """Whether this process has been asked to end, and drains."""
    return _drainer.since is not None and not _drainer.prepares


class GraceIsOver(BaseException):
    """Raised in a callback that holds the event loop when the time for work is over."""


class _Drainer:
    """The one that drains this process."""

    plan: Plan  # once `drain` is called

    def __init__(self) -> None:
        self.since: float | None = None  # when the signal came
        self._wired = self._watched = False
        self.prepares = False
        self._begun = self._overdue = self._done = False
        self._lifeline: Lifeline | None = None  # in the parent of --num-procs only
        self._held = False  # whether this is a child that holds one
        self._alarm: queue.SimpleQueue = queue.SimpleQueue()  # the one queue that a signal handler may use
        self._ending: weakref.WeakSet[ServerSession] = weakref.WeakSet()
        self._told: weakref.WeakSet[ServerConnection] = weakref.WeakSet()
        self._telling: set[asyncio.Task] = set()

    # -- the signal ----------------------------------------------------------------------------------------------------

    def wire(self) -> None:
        if not self._wired:
            self._wired = True
            watch()
            admission.door()
            admission.checks["drain"] = self._admit
            wrap(BaseServer, "start", self._after_start)
            wrap(tornado.process, "fork_processes", self._around_fork)
        if servers():
            self._watch_over()
        self._take_signal()

    def _after_start(self, original):
        def start(server):
            original(server)
            # `run_until_shutdown` puts a handler of its own in place after this, and before the loop runs.
            server.io_loop.add_callback(self._take_signal)
            self._watch_over()

        return start

    def _take_signal(self) -> None:
        if threading.current_thread() is threading.main_thread():
            if loop := running_loop():
                loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number, frame) -> None:
        if self._lifeline is not None:
            self._lifeline.let_go()
        elif self.since is not None:  # again
            if self._overdue and not self._begun:
                raise GraceIsOver
        elif loops := {asyncio_loop_of(server.io_loop) for server in servers()}:
            self.since, self.prepares = time.monotonic(), bool(before)
            self._alarm.put(None)
            for loop in loops:
                loop.call_soon_threadsafe(self._begin, loop)
        else:
            raise SystemExit(0)

    def _watch_over(self) -> None:
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watchdog, name="drain", daemon=True).start()
            if tornado.process.task_id() is not None and not self._held:
                follow_parent()

    def _watchdog(self) -> None:
        """Wait in a thread of its own, where nothing that the loop does can hold it up."""
        self._alarm.get()
        self._sleep_until(self.plan.grace - self.plan.hooks)
        while not self._begun and time.monotonic() < self._at(self.plan.grace):
            self._overdue = True
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        self._sleep_until(self.plan.grace)
        threads = [t.name for t in threading.enumerate() if not (t.daemon or t is threading.main_thread())]
        log.error("%g s after SIGTERM still busy: %s", self.plan.grace, ", ".join(threads) or "a callback or a hook")
        os._exit(0 if self._done else 1)

    def _sleep_until(self, seconds: float) -> None:
        time.sleep(max(0.0, self._at(seconds) - time.monotonic()))

    def _at(self, seconds: float) -> float:
        """The moment so many seconds after the signal, by the monotonic clock."""
        return (self.since or 0.0) + seconds

    # -- on the event loop ---------------------------------------------------------------------------------------------

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = True
        self._run_task = loop.create_task(self._run(loop))

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        plan, since = self.plan, self._at(0.0)
        if left := [work for each in before for work in each()]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), AT_ONCE)
        self.prepares = False
        log.info("SIGTERM: draining %d sessions within %g s", len(sessions()), plan.grace)
        while (mine := _sessions_of(loop)) or time.monotonic() < since + plan.notice:
            self._tell([c for _, session in mine for c in session._subscribed_connections])
            over = time.monotonic() >= since + plan.grace - plan.hooks
            if time.monotonic() >= since + plan.notice:
                await self._end([pair for pair in mine if over or not _works(pair[1])], over)
            await asyncio.sleep(0.05)
        await _until(lambda: not destroy._live, since + plan.grace - 0.5)  # hooks of harden that await something
        self._done = not destroy._live
        log.info("drained in %.1f s", time.monotonic() - since)
        loop.stop()

    def _tell(self, connections: list[ServerConnection]) -> None:
        for connection in connections:
            if connection not in self._told:
                self._told.add(connection)
                # Sent past the document: its lock may be held by the very work that is waited for.
                banner = Div(text=f'<div role="alert">{html.escape(self.plan.message)}</div>', styles=BANNER)
                event = RootAddedEvent(connection.session.document, banner)
                task = asyncio.ensure_future(connection.send_patch_document(event))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def _end(self, pairs: list[tuple[ApplicationContext, ServerSession]], by_force: bool) -> None:
        self._ending.update(session for _, session in pairs)
        connections = [c for _, session in pairs for c in list(session._subscribed_connections)]
        for connection in connections:
            connection._socket.close(GOING_AWAY, "the server is going down")
        # A browser answers in milliseconds, one that has lost its network never.
        await _until(lambda: all(c._session is None for c in connections), time.monotonic() + 0.5)
        for connection in connections:
            if connection._session is not None:
                connection._socket.connection = None
                connection._socket.application.client_lost(connection)  # type: ignore[attr-defined]
        await asyncio.gather(*(self._destroy(context, session, by_force) for context, session in pairs))

    async def _destroy(self, context: ApplicationContext, session: ServerSession, by_force: bool) -> None:
        try:
            if not by_force and not is_reused(session):
                await context._discard_session(session, lambda s: True)
            elif context._sessions.pop(session.id, None) is not None:  # without the lock, which may be held for good
                session_context = context._session_contexts.pop(session.id)
                session.destroy()
                await context.application.on_session_destroyed(session_context)
        except Exception:
            log.exception("session %s could not be ended", session.id)

    async def _admit(self, visitor: Visitor) -> Refusal | None:
        if self.since is None or (visitor.session is not None and visitor.session not in self._ending):
            return None
        return Refusal("draining", "The server is restarting.", "The application is back in a moment.", retry_after=5)

    # -- the processes of --num-procs ----------------------------------------------------------------------------------

    def _around_fork(self, original):
        def fork_processes(num_processes, max_restarts=None):
            self._lifeline = lifeline = Lifeline()
            task = original(num_processes, max_restarts)  # returns in the children; the parent waits in there
            self._lifeline, self._held = None, True
            lifeline.hold()
            return task

        return fork_processes


async def _until(condition: Callable[[], bool], deadline: float) -> None:
    while True:
        if condition() or time.monotonic() >= deadline:
            return
        await asyncio.sleep(0.01)


def _sessions_of(loop: asyncio.AbstractEventLoop) -> list[tuple[ApplicationContext, ServerSession]]:
    return [pair for pair in sessions() if asyncio_loop_of(pair[0].io_loop) is loop]


def _works(session: ServerSession) -> bool:
    return session.expiration_blocked and not is_reused(session)


_drainer = _Drainer()
