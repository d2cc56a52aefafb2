"""Keep one session alive while it works, and a while longer, so that its user still sees the result."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import math
import sys
import threading
import weakref
from collections.abc import Callable

from bokeh.application.application import SessionContext
from bokeh.server.session import ServerSession
from tornado.ioloop import IOLoop

from .current import current_context, loop_of, running_loop, runs_here


def block_expiration(linger: float = 60, session: ServerSession | SessionContext | None = None) -> Block:
    """A context manager and a decorator: the session does not expire during the work, nor soon after it.

        with block_expiration():                    # in a callback, sync or async
            result.object = long_computation()

        @block_expiration(linger=300)               # on functions, coroutines and generators
        async def run(event): ...

        block = block_expiration()                  # for a thread: make it in the callback,
        Thread(target=block(work)).start()          # enter it (here: by calling `work`) in the thread

    Parameters
    ----------
    linger : seconds, at least 0, that the session is kept after the work, connected or not. Bokeh counts the
        lifetime of a session from the disconnect; without this, a session whose user was away for longer
        than that is discarded at the first check after the work, and its result with it.
    session : the session to keep, as a ``ServerSession`` or a session context (``pn.state.curdoc.session_context``).
        By default it is the one whose code enters the block, or else the one in which the block was made.

    Any number of blocks may overlap, in one session and across sessions; each ends once, however its body
    ends, and touches no other session. A block made and never entered blocks nothing. A session that is
    gone stays gone: entering and leaving do nothing then. In a thread the block begins at the next turn of the
    server's event loop, which is the only thread that touches Bokeh's counter. In a script that is being built
    nothing can expire, and what remains of the block is the linger. Outside a server session (a notebook,
    ``python app.py``, a thread that no session is known of) the block does nothing, without a word.
    A block lasts as long as its body: a body that never ends keeps its session for good.

    Replaces ``pn.state.block_expiration()`` and ``pn.state.unblock_expiration()`` of Panel 1.9 (Bokeh 3.8
    and 3.9), which count up every session of the application and count down every session that exists when
    the block ends: with two users they raise, take the other's protection away, and leave sessions that never
    expire. Do not use both in one application: the stock function still counts down sessions that it did not
    count up. To be dropped when Panel blocks the current session alone, and Bokeh counts the lifetime from the end
    of a block.

    Raises
    ------
    TypeError, ValueError : for a ``linger`` that is no number of seconds, or a ``session`` that is none.
    """
    if not isinstance(linger, int | float):
        raise TypeError(f"linger is a number of seconds, got {linger!r}; as a decorator write @block_expiration()")
    if not (math.isfinite(linger) and linger >= 0):
        raise ValueError(f"linger is a number of seconds of at least 0, got {linger!r}")
    if session is None:
        made_in = _reference(current_context())
        return Block(linger, lambda: current_context() or made_in())
    if isinstance(session, ServerSession):  # one that is gone has no document
        session = getattr(getattr(session, "document", None), "session_context", None)
    elif not isinstance(session, SessionContext):
        raise TypeError(f"session is a ServerSession or a session context, got {session!r}")
    return Block(linger, _reference(session))


class Block:
    """What `block_expiration` returns. It may be entered many times, also at once."""

    def __init__(self, linger: float, find: Callable[[], SessionContext | None]):
        self._linger, self._find = linger, find
        self._entries: list[tuple[object, _Entry]] = []

    def __enter__(self) -> Block:
        entry = _Entry(self._find())
        self._entries.append((_place(), entry))
        entry.begin()
        return self

    def __exit__(self, *exc) -> None:
        # Entries of other threads and tasks may have come since; within one they are properly nested.
        here = _place()
        own = [pair for pair in self._entries if pair[0] == here]
        pair = (own or self._entries)[-1]
        self._entries.remove(pair)
        pair[1].end(self._linger)

    async def __aenter__(self) -> Block:
        return self.__enter__()

    async def __aexit__(self, *exc) -> None:
        self.__exit__()

    def __call__(self, fn: Callable) -> Callable:
        # A module that a session is the first to import serves all sessions: what it decorates is not of that one.
        spec = getattr(sys.modules.get(fn.__module__), "__spec__", None)
        block = Block(self._linger, current_context) if getattr(spec, "_initializing", False) else self

        if inspect.isasyncgenfunction(fn):

            async def wrapper(*args, **kwargs):
                with block:
                    async with contextlib.aclosing(fn(*args, **kwargs)) as items:
                        async for item in items:
                            yield item

        elif inspect.iscoroutinefunction(fn):

            async def wrapper(*args, **kwargs):  # type: ignore[misc]
                with block:
                    return await fn(*args, **kwargs)

        elif inspect.isgeneratorfunction(fn):

            def wrapper(*args, **kwargs):  # type: ignore[misc]
                with block:
                    return (yield from fn(*args, **kwargs))

        else:

            def wrapper(*args, **kwargs):
                with block:
                    return fn(*args, **kwargs)

        return functools.wraps(fn)(wrapper)


class _Entry:
    """One time that a block was entered: it counts its session up once and down once."""

    def __init__(self, context: SessionContext | None):
        self._context = _reference(context)
        self._loop: IOLoop | None = loop_of(context)
        self._counted: ServerSession | None = None

    def begin(self) -> None:
        context = self._context()
        if context is not None and context.session is not None and runs_here(self._loop):
            self._count_up()
        elif self._loop is not None:
            self._loop.add_callback(self._count_up)

    def end(self, linger: float) -> None:
        # Through the loop, so that it comes after a `_count_up` that still waits there.
        if self._loop is not None:
            self._loop.add_callback(self._loop.call_later, linger, self._count_down)

    def _count_up(self) -> None:
        context = self._context()
        session = None if context is None else context.session
        if session is not None:
            session.block_expiration()
            self._counted = session

    def _count_down(self) -> None:
        session, self._counted = self._counted, None
        if session is not None and session.expiration_blocked:  # somebody else may have counted down too often
            session.unblock_expiration()


def _reference(thing) -> Callable:
    return (lambda: None) if thing is None else weakref.ref(thing)


def _place() -> object:
    """The thread and the task that the caller runs in."""
    return threading.get_ident(), asyncio.current_task() if running_loop() else None
