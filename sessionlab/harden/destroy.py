"""Hooks that run once when a session ends, whichever way it ends."""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import logging
import os
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable

from bokeh.application.application import Application, ServerContext, SessionContext
from bokeh.application.handlers.lifecycle import LifecycleHandler
from bokeh.document import Document
from bokeh.server.session import ServerSession
from panel.config import config
from panel.io.state import state

from .current import application_context_of, current_document, ending_document, loop_of, running_loop

log = logging.getLogger("sessionlab.harden")

_NAME = "_sessionlab_hooks"
_lock = threading.Lock()
_live: dict[_Hooks, None] = {}  # sessions with hooks that have not run, oldest first


def on_session_destroyed(fn: Callable, *resources) -> Callable:
    """Call ``fn(session_context, *resources)`` once when the current session has ended.

        on_session_destroyed(lambda context, db: db.close(), db)

        @on_session_destroyed
        async def say_goodbye(context):
            await queue.put(context.id)

    Call it in the served script, in a callback or in ``pn.state.on_session_created``. Functions and coroutine
    functions will do. The hooks of a session run in the order in which they were registered, one after the
    other; one that fails is logged as an error, with its name and place, and the next one runs. It returns ``fn``.

    What a hook can see. A hook of a served script reads the script's globals as they are then, and so do the
    functions and classes that it uses: with the first hook of a session, ``harden`` takes over from Bokeh
    the emptying of the script's module, and does it after the last hook. (Stock hooks of that session profit.)
    ``session_locals()`` works in a hook. ``resources`` are kept for the hook in any case, so that it depends
    on no global at all; the session's own models and ``pn.state`` are gone by then.

    When hooks run.
    - A session that expires: when it is discarded, on the server's event loop.
    - The server stops (SIGTERM, Ctrl-C, ``server.stop()``): before it does, after the application's own
      ``on_server_unloaded``. The sessions are not destroyed then, so ``session_context.destroyed`` is False.
    - ``pn.serve`` does not handle SIGTERM, which ends the process at once. If nobody handles it when a hook is
      registered on the main thread, it ends the event loop from then on, as Panel does for Ctrl-C. No other handler
      is touched.
    - Whatever is left runs when the interpreter exits. A further Ctrl-C or SIGTERM interrupts at most the hook
      that is running; the others still run. A hook that never ends keeps the server from stopping until then.
    - Each process of ``--num-procs`` runs the hooks of its own sessions, if the signal reaches it: a signal to
      the parent alone leaves the others running, without a word to them.
    - SIGKILL, which is also what ends a container that is out of memory, leaves no time for anything. What must
      not survive it has to expire by itself: a lease with a time in it, a file lock, a transaction.

    Replaces ``pn.state.on_session_destroyed`` and ``Document.on_session_destroyed`` (Panel 1.9; Bokeh 3.8 and 3.9),
    whose hooks run after the script's module was emptied (bokeh#14538), in random order, without awaiting
    coroutines, with failures as warnings, and not at all when the server stops. To be dropped when all of that has
    changed; Bokeh 3.10 destroys sessions when it stops.

    Raises
    ------
    RuntimeError : outside a session.
    ValueError : ``fn`` cannot be called with a session context and these resources.
    """
    doc = current_document()
    context = None if doc is None else doc.session_context
    if doc is None or context is None:
        raise RuntimeError(
            "on_session_destroyed() belongs to a session, and this code runs outside one, or in a thread of its own. "
            "Call it in the served script or in a callback; for every session, call it in pn.state.on_session_created."
        )
    try:
        inspect.signature(fn).bind(context, *resources)
    except TypeError as error:
        raise ValueError(
            f"{describe(fn)} cannot be a hook: {error}. It is called as fn(session_context, *resources)."
        ) from None
    except ValueError:
        pass  # built-in functions do not tell their signature
    with _lock:
        hooks = vars(doc).get(_NAME) or vars(doc).setdefault(_NAME, _Hooks(doc, context))
        hooks.add(fn, resources)
    return fn


def describe(fn: Callable) -> str:
    """Name and place of a function, as in a traceback."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    fn = inspect.unwrap(getattr(fn, "__func__", fn))
    name, code = getattr(fn, "__qualname__", repr(fn)), getattr(fn, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


class _Hooks:
    """The hooks of one session, and the modules of its script until the hooks have run."""

    def __init__(self, doc: Document, context: SessionContext):
        self._doc, self._context = weakref.ref(doc), weakref.ref(context)
        self.application = application_context_of(context)
        self._queue: deque[tuple[Callable, tuple]] = deque()
        self._ended: tuple | None = None
        self._waiting = False  # whether a hook awaits something
        self._task: asyncio.Task | None = None
        # Bokeh and Panel empty the modules on this list before the hooks run; what is not on it is ours to empty.
        self._modules, doc.modules._modules = doc.modules._modules, []
        doc.on_session_destroyed(self._on_destroyed)
        if self.application is not None:
            _ServerUnloaded.watch(self.application.application)
        _handle_sigterm()

    def add(self, fn: Callable, resources: tuple) -> None:
        self._queue.append((fn, resources))
        _live[self] = None

    def _on_destroyed(self, session_context: SessionContext | None) -> None:
        """What Bokeh and Panel call when the session has ended; Panel calls it with None when it has warmed up."""
        doc = self._doc()
        if session_context is None and config.reuse_sessions and doc in map(_document, state._sessions.values()):
            return  # this session is kept for visitors (--warm --reuse-sessions)
        self._ended = self._context(), doc  # only weakly referred to otherwise, and the hooks are still to come
        _live[self] = None
        self.finish()

    def finish(self) -> None:
        """Run the hooks that are left: in a task of the event loop that runs here, or to the end if none does.

        An interrupt (Ctrl-C) ends only the hook that is running at that moment, and is raised after the last one.
        """
        if loop := running_loop():
            self._continue(loop)
        else:
            self._finish_now()

    def _continue(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task:
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
            self._task.add_done_callback(_seen)
        return self._task

    def _finish_now(self) -> None:
        loop = getattr(loop_of(self._context()), "asyncio_loop", None)
        if borrowed := loop is not None and not loop.is_closed() and not loop.is_running():
            pass  # the loop of the server, which has stopped: a hook may be waiting in it
        else:
            loop, self._task = asyncio.new_event_loop(), None
        _calm(loop)
        interrupt = None
        while self in _live:
            task = self._continue(loop)
            try:
                loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit) as error:
                interrupt = error
                if task.done():  # a hook was running
                    _seen(task)
                elif self._waiting:
                    task.cancel()
            except RuntimeError:
                if loop.is_closed():
                    raise
                # else the handler of a further SIGTERM has stopped the loop under the task, which goes on
        if not borrowed:
            loop.close()
        if interrupt is not None:
            raise interrupt

    async def _run(self) -> None:
        ending_document.set(self._doc())
        while self._queue:
            fn, resources = self._queue.popleft()
            try:
                result = fn(self._context(), *resources)
                if inspect.isawaitable(result):
                    self._waiting = True
                    await result
            except Exception:
                log.exception("on_session_destroyed hook %s failed", describe(fn))
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit) as interrupt:
                log.error("on_session_destroyed hook %s was interrupted", describe(fn))
                if not isinstance(interrupt, asyncio.CancelledError):
                    raise
            finally:
                self._waiting = False
        if self._ended:
            while self._modules:
                module = self._modules.pop()
                sys.modules.pop(module.__name__, None)
                vars(module).clear()
            self._ended = None
        _live.pop(self, None)


def _calm(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop that an interrupt has ended come to rest: it raises that once more for each task that it broke."""
    while True:
        try:
            return loop.run_until_complete(asyncio.sleep(0))
        except (KeyboardInterrupt, SystemExit, RuntimeError):
            if loop.is_closed():
                raise


def _seen(task: asyncio.Task) -> None:
    """Take note of how a task ended, so that asyncio does not report an interrupt as an error of its own."""
    if not task.cancelled():
        task.exception()


def _document(session: ServerSession) -> Document | None:
    return getattr(session, "document", None)  # a session that has ended has none


class _ServerUnloaded(LifecycleHandler):
    """Part of every application that has hooks: Bokeh calls it when the server stops, for whatever reason."""

    @classmethod
    def watch(cls, application: Application) -> None:
        if not any(isinstance(handler, cls) for handler in application.handlers):
            application.add(cls())

    def on_server_unloaded(self, server_context: ServerContext) -> None:
        _finish_all(server_context.application_context)  # type: ignore[attr-defined]


@atexit.register
def _finish_all(application=None) -> None:
    interrupt = None
    for hooks in [h for h in _live if application in (None, h.application)]:
        try:
            hooks.finish()
        except (KeyboardInterrupt, SystemExit) as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _handle_sigterm() -> None:
    """Make SIGTERM end the event loop, where it would end the process without a word."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame) -> None:
    if loop := running_loop():
        loop.call_soon_threadsafe(loop.stop)
    else:
        sys.exit(128 + number)


def _forget() -> None:
    """A process forked from this one has none of its sessions."""
    global _lock
    _lock = threading.Lock()
    _live.clear()
    if signal.getsignal(signal.SIGTERM) is _stop:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
