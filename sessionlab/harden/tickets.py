"""Tickets: what lets a page back into its living session after the token that it came with has expired.

A ticket is a Bokeh token that has expired already, with a random number in it. To Bokeh itself it is therefore worth
nothing, in this process and in every other. This module looks at tickets before Bokeh does, and changes one that
is good into a token of a few seconds; all that Bokeh checks, it still checks.
"""

from __future__ import annotations

import functools
import json
import logging
import secrets
import weakref
from dataclasses import dataclass

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.views.ws import WSHandler
from bokeh.util.token import check_token_signature, generate_jwt_token, get_session_id, get_token_payload
from tornado.websocket import WebSocketHandler

from . import fastapi
from .served import wrap

log = logging.getLogger("sessionlab.harden")

TYPE = "sessionlab_reconnect"
KEPT = 2  # tickets of a session: the newest, and the one before, which a page may still hold
EXCHANGED = 30  # seconds; Bokeh looks at it at once


@dataclass(frozen=True)
class _Ticket:
    session: weakref.ref[ServerSession]
    user: object


_tickets: dict[str, _Ticket] = {}
_of_session: weakref.WeakKeyDictionary[ServerSession, list[str]] = weakref.WeakKeyDictionary()


def issue(session: ServerSession) -> str | None:
    """A new ticket for the page that is connected to ``session``; the oldest of three is good no more.

    None when nobody is connected, or users of different names are.
    """
    sockets = [connection._socket for connection in session._subscribed_connections]
    users = {_user_of(socket) for socket in sockets}
    if session.destroyed or len(users) != 1:
        return None
    watch()
    if (in_fastapi := fastapi.handler()) is not None:
        _watch_fastapi(in_fastapi)
    server, number = sockets[0].application, secrets.token_urlsafe(32)
    _tickets[number] = _Ticket(weakref.ref(session), users.pop())
    numbers = _of_session.setdefault(session, [])
    numbers.append(number)
    while len(numbers) > KEPT:
        _tickets.pop(numbers.pop(0), None)
    return generate_jwt_token(session.id, extra_payload={TYPE: number}, expiration=-1, **_keys(server))


def forget(session: ServerSession) -> None:
    """No ticket of ``session`` is good any more."""
    for number in _of_session.pop(session, []):
        _tickets.pop(number, None)


@functools.cache
def watch() -> None:
    """From now on this process accepts its tickets."""

    def around(original):
        def open(self, *args, **kwargs):
            number = _number(self._token)
            if number is None:
                return original(self, *args, **kwargs)
            session, verdict = _look(self._token, number, self.application_context, self)
            if session is None:
                log.info("A page comes back to a session: %s", verdict)
                WebSocketHandler.write_message(self, json.dumps({TYPE: verdict}))  # Bokeh's own waits for a lock
                return self.close()
            server = self.application
            self._token = generate_jwt_token(session.id, expiration=EXCHANGED, **_keys(server))
            session.block_expiration()  # it must not end before the connection, which Bokeh makes in its next step
            try:
                return original(self, *args, **kwargs)
            finally:
                server.io_loop.add_callback(session.unblock_expiration)

        return open

    wrap(WSHandler, "open", around)


@functools.cache
def _watch_fastapi(handler) -> None:
    """The same for the websockets of FastAPI, which carry their token among the protocols that they offer."""

    def around(original):
        async def ws_connect(self, websocket):
            protocols = websocket.scope["subprotocols"]
            token = protocols[-1] if protocols else ""
            number = _number(token)
            if number is None:
                return await original(self, websocket)
            session, verdict = _look(token, number, self.application_context, self)
            if session is None:
                log.info("A page comes back to a session: %s", verdict)
                await websocket.accept("bokeh")
                await websocket.send_text(json.dumps({TYPE: verdict}))
                return await websocket.close()
            keys = _keys(self.application)
            exchanged = generate_jwt_token(session.id, expiration=EXCHANGED, **keys)
            websocket.scope["subprotocols"] = [*protocols[:-1], exchanged]
            opened, release = self._async_open, _Hold(session).release

            async def _async_open(*args):
                try:
                    return await opened(*args)
                finally:
                    release()

            self._async_open = _async_open
            try:
                return await original(self, websocket)
            finally:
                release()

        return ws_connect

    wrap(handler, "ws_connect", around)


class _Hold:
    """Keeps a session from ending until its websocket has reached it."""

    def __init__(self, session: ServerSession):
        self._session: ServerSession | None = session
        session.block_expiration()

    def release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.unblock_expiration()


def _user_of(socket) -> object:
    """Who is connected; None in FastAPI, which asks nobody through Bokeh."""
    return getattr(socket, "current_user", None)


def _keys(server) -> dict:
    """How a server (its ``BokehTornado``) signs tokens."""
    return {"secret_key": server.secret_key, "signed": server.sign_sessions}


def _number(token: str) -> str | None:
    """The number of a ticket; None for everything else, which Bokeh judges."""
    try:
        return get_token_payload(token).get(TYPE)
    except Exception:
        return None


def _look(token: str | None, number: str, context: ApplicationContext, handler) -> tuple[ServerSession | None, str]:
    """The living session that the ticket is for, or why there is none: ``"gone"`` or ``"refused"``."""
    token = token or ""
    if not check_token_signature(token, **_keys(handler.application)):
        return None, "refused"
    ticket = _tickets.get(number)
    session = ticket.session() if ticket is not None else None
    if ticket is None or session is None or session.destroyed:
        return None, "gone"
    if get_session_id(token) != session.id:
        return None, "refused"  # somebody has put its number into another token
    if context._sessions.get(session.id) is not session:
        return None, "refused"  # it belongs to another application
    if _user_of(handler) != ticket.user:
        return None, "refused"
    return session, "resumed"
