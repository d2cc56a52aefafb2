"""Record what happens to sessions, from the functions of Bokeh and Panel in which it happens.

Runs in the served process. What is known about a session is kept on the session itself, so that it goes when
the session goes and no table of this module grows.
"""

from __future__ import annotations

import array
import contextlib
import contextvars
import functools
import sys
import time

from sessionlab.agent.hooks import Hooks
from sessionlab.agent.patches import Patches
from sessionlab.agent.ring import EventRing, MemoryLine
from sessionlab.agent.where import app_line

SEEN = 1 << 15  # places of the table of session ids that were seen
_via = contextvars.ContextVar("sessionlab_via", default=("page", False))


def _quiet(method):
    """An observer that fails must not break what it observes; `Lifecycle.errors` says that it did."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.errors.add(f"{method.__name__}: {error!r}")

    return guarded


class Lifecycle:
    """Writes the events of every session into ``ring`` and samples ``memory`` at each.

    Events: created, failed, connected, reconnected (``outcome`` resumed or restarted), disconnected, blocked,
    unblocked, unblock failed, discarded, kept (discarded, but back in use), destroyed, hook run, hook failed,
    refused.

    Attributes
    ----------
    created, destroyed : number of sessions built and destroyed since the process started or `restart`.
    errors : what went wrong in the observer itself; empty.
    """

    def __init__(self, ring: EventRing, memory: MemoryLine):
        self.ring, self.memory = ring, memory
        self.created = self.destroyed = 0
        self.errors: set[str] = set()
        self._seen = array.array("q", [0]) * SEEN
        self._started = time.time()  # psutil's answer can be wrong by a second
        self.hooks = Hooks(self)
        self._patches = Patches()
        self._handlers: set[type] = set()

    @property
    def nbytes(self) -> int:
        return len(self._seen) * self._seen.itemsize

    @_quiet
    def record(self, event: str, session=None, **details) -> None:
        if session is not None:
            details = {"id": session.id, "session": getattr(session, "_sessionlab_number", None), **details}
        self.ring.append({"event": event, **details})
        self.memory.sample()

    def restart(self, sessions) -> None:
        """Forget what has happened and count anew; the sessions that are there become the first ones."""
        self.ring.clear()
        self.created, self.destroyed = len(sessions), 0
        for number, session in enumerate(sessions, 1):
            session._sessionlab_number = number

    # -- what the wraps note -------------------------------------------------------------------------------

    @_quiet
    def note_created(self, context, session, seconds: float) -> None:
        via, page_is_older = _via.get()
        self.created += 1
        place, fingerprint = hash(session.id) % SEEN, hash(session.id)
        session._sessionlab_number = self.created
        session._sessionlab_born = time.monotonic()
        session._sessionlab_blocks = 0
        session._sessionlab_visited = False
        session._sessionlab_restarted = self._seen[place] == fingerprint or page_is_older
        self._seen[place] = fingerprint
        self.record("created", session, via=via, app=context.url, seconds=round(seconds, 4))

    @_quiet
    def note_subscribed(self, session, before: int, away: float) -> None:
        first = not getattr(session, "_sessionlab_visited", True)
        session._sessionlab_visited = True
        if first and session._sessionlab_restarted:
            self.record("reconnected", session, outcome="restarted", connections=session.connection_count)
        elif first or before:
            self.record("connected", session, connections=session.connection_count)
        else:
            self.record("reconnected", session, outcome="resumed", connections=session.connection_count, away=away)

    @_quiet
    def note_blocked(self, event: str, session, change: int, error: str = "") -> None:
        session._sessionlab_blocks = blocks = max(0, getattr(session, "_sessionlab_blocks", 0) + change)
        where, callback = app_line(2)
        details = {"error": error} if error else {}
        self.record(event, session, blocks=blocks, where=where, callback=callback, **details)

    @_quiet
    def note_refused(self, handler, reason: str) -> None:
        from bokeh.util.token import get_session_id

        session_id = ""
        with contextlib.suppress(Exception):  # whatever a client sent as its token
            session_id = get_session_id(handler._token)
        self.record("refused", id=session_id, app=handler.application_context.url, reason=reason)

    @_quiet
    def note_websocket(self, handler, token) -> None:
        """From here to the end of its task, what is made is made for a websocket, and not for a page."""
        _via.set(("websocket", self._page_is_older(handler, token)))

    @_quiet
    def note_failures(self, application, document) -> None:
        for handler in application.handlers:
            if handler.failed:
                context = document.session_context
                self.record("failed", id=context.id if context else "", error=str(handler.error))

    @_quiet
    def watch_panel_hooks(self) -> None:
        self.hooks.watch_panel()

    # -- the wraps -----------------------------------------------------------------------------------------

    def install(self) -> None:
        from bokeh.application.application import Application
        from bokeh.server.contexts import ApplicationContext
        from bokeh.server.session import ServerSession

        wrap = self._patches.wrap
        wrap(ApplicationContext, "create_session_if_needed", self._create)
        wrap(ApplicationContext, "_discard_session", self._discard)
        wrap(Application, "initialize_document", self._initialize)
        wrap(ServerSession, "subscribe", self._subscribe)
        wrap(ServerSession, "unsubscribe", self._unsubscribe)
        wrap(ServerSession, "block_expiration", self._block)
        wrap(ServerSession, "unblock_expiration", self._unblock)
        wrap(ServerSession, "destroy", self._destroy)
        self.hooks.install(self._patches)

    def uninstall(self) -> None:
        self._patches.undo()
        self._handlers.clear()

    def watch_websockets(self) -> None:
        """Wrap the websocket handler that is in use: Panel's is known only once Panel has been imported."""
        from bokeh.server.urls import per_app_patterns
        from bokeh.server.views.ws import WSHandler

        for pattern in per_app_patterns:
            handler = pattern[1]
            if issubclass(handler, WSHandler) and handler not in self._handlers:
                self._handlers.add(handler)
                self._patches.wrap(handler, "open", self._open)
                self._patches.wrap(handler, "_async_open", self._async_open)
                self._patches.wrap(handler, "check_origin", self._check_origin)

    def _create(self, original):
        async def create_session_if_needed(context, session_id, *args, **kwargs):
            if session_id in context._sessions or session_id in context._pending_sessions:
                return await original(context, session_id, *args, **kwargs)
            self.watch_panel_hooks()
            begin = time.monotonic()
            try:
                session = await original(context, session_id, *args, **kwargs)
            except Exception as error:
                self.record("failed", id=session_id, app=context.url, error=repr(error))
                raise
            self.note_created(context, session, time.monotonic() - begin)
            return session

        return create_session_if_needed

    def _initialize(self, original):
        def initialize_document(application, document):
            result = original(application, document)
            self.note_failures(application, document)
            return result

        return initialize_document

    def _subscribe(self, original):
        def subscribe(session, connection):
            before, away = session.connection_count, session.milliseconds_since_last_unsubscribe / 1000
            original(session, connection)
            self.note_subscribed(session, before, round(away, 3))

        return subscribe

    def _unsubscribe(self, original):
        def unsubscribe(session, connection):
            original(session, connection)
            code = getattr(connection._socket, "close_code", None)
            self.record("disconnected", session, connections=session.connection_count, code=code)

        return unsubscribe

    def _block(self, original):
        def block_expiration(session):
            original(session)
            if not _by_the_lock():
                self.note_blocked("blocked", session, +1)

        return block_expiration

    def _unblock(self, original):
        def unblock_expiration(session):
            by_the_lock = _by_the_lock()
            try:
                original(session)
            except RuntimeError as error:
                self.note_blocked("unblock failed", session, 0, str(error))
                raise
            if not by_the_lock:
                self.note_blocked("unblocked", session, -1)

        return unblock_expiration

    def _discard(self, original):
        async def _discard_session(context, session, should_discard):
            if session.destroyed or session.id not in context._sessions:
                return  # the lab and the server's own job cleaned up at the same time
            idle = round(session.milliseconds_since_last_unsubscribe / 1000, 3)
            self.record("discarded", session, idle=idle)
            await original(context, session, should_discard)
            if not session.destroyed:
                self.record("kept", session, connections=session.connection_count)

        return _discard_session

    def _destroy(self, original):
        def destroy(session):
            original(session)
            self.destroyed += 1
            age = time.monotonic() - getattr(session, "_sessionlab_born", time.monotonic())
            self.record("destroyed", session, age=round(age, 3))

        return destroy

    def _open(self, original):
        def open(handler, *args, **kwargs):
            try:
                return original(handler, *args, **kwargs)
            except Exception as error:
                self.note_refused(handler, str(error))
                raise

        return open

    def _async_open(self, original):
        async def _async_open(handler, token):
            self.note_websocket(handler, token)
            try:
                return await original(handler, token)
            except Exception as error:
                self.note_refused(handler, str(error))
                raise

        return _async_open

    @_quiet
    def _page_is_older(self, handler, token) -> bool:
        """Whether the page that this token was written into is older than this process."""
        from bokeh.util.token import get_token_payload

        expiry = get_token_payload(token).get("session_expiry", 0)
        # Tokens know whole seconds; a server takes longer than one of them until it serves its first page.
        lives = getattr(handler.application, "session_token_expiration", 300)  # what Bokeh's server for FastAPI says
        return bool(expiry) and expiry - lives < self._started

    def _check_origin(self, original):
        def check_origin(handler, origin):
            allowed = original(handler, origin)
            if not allowed:
                self.note_refused(handler, f"origin {origin} is not allowed")
            return allowed

        return check_origin


def _by_the_lock() -> bool:
    """Whether (un)block_expiration was called by Bokeh's own document lock, around every callback."""
    return sys._getframe(2).f_code.co_name == "_needs_document_lock_wrapper"
