"""The door: who may open a session, and what a visitor sees who may not.

Stock Bokeh lets everybody in. `door` puts a list of checks before every request that can make a session: the
page, ``autoload.js`` of an embedded one, and the websocket, whose session may be gone.
"""

from __future__ import annotations

import contextlib
import functools
import html
import inspect
import json
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler
from bokeh.server.views.doc_handler import DocHandler
from bokeh.server.views.ws import WSHandler
from bokeh.util.token import get_session_id
from tornado.httputil import HTTPServerRequest

from .served import wrap

COMING = 5.0  # seconds in which an admitted websocket has made its session

# How many visitors were refused, by reason, and those among them that wanted to connect to a session. The names are
# there from the start: Prometheus sees the first refusal only as a change.
refused: Counter[str] = Counter(live=0, per_user=0, memory=0, draining=0)
refused_websockets: Counter[str] = Counter()
checks: dict[str, Callable[[Visitor], Awaitable[Refusal | None]]] = {}
_coming: dict[str, tuple[str | None, float]] = {}  # id of a session to come -> its user, and until when it counts


@dataclass(frozen=True)
class Visitor:
    """Somebody at the door. ``session`` is the one that is asked for, if it exists; None: a new one is wanted."""

    application: ApplicationContext
    request: HTTPServerRequest
    user: str | None  # None: not logged in
    session: ServerSession | None

    def name(self, user: str | None) -> None:
        """Say who it is, for all who look at the request later."""
        vars(self.request)["sessionlab_user"] = user

    @property
    def named(self) -> str | None:
        return vars(self.request)["sessionlab_user"]


@dataclass(frozen=True)
class Refusal:
    """Why somebody is not let in: ``reason`` is one word for the books, ``title`` and ``text`` are for the visitor."""

    reason: str
    title: str
    text: str
    retry_after: int = 15  # seconds, after which the page tries again by itself

    @property
    def page(self) -> str:
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{self.retry_after}">
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem }}</style>
</head><body><h1>{html.escape(self.title)}</h1><p>{html.escape(self.text)}</p>
<p>This page tries again every {self.retry_after} seconds.</p></body></html>
"""

    def script(self, element: str) -> str:
        """For ``autoload.js``, whose answer a page runs whatever its status."""
        name, text = (json.dumps(part).replace("</", r"<\/") for part in (element, f"{self.title} {self.text}"))
        return f"{{ const el = document.getElementById({name}); if (el) el.textContent = {text}; }}"


def coming(user: str | None = None) -> int:
    """How many sessions have been admitted and are not made yet: of ``user``, or of everybody."""
    now = time.monotonic()
    for session_id in [key for key, (_, until) in _coming.items() if until < now]:
        del _coming[session_id]
    return len(_coming) if user is None else sum(owner == user for owner, _ in _coming.values())


def user_of(session: ServerSession) -> str | None:
    """Who opened ``session``, as its first request said; None: nobody who was logged in."""
    context = session.document.session_context
    return getattr(getattr(context, "request", None), "sessionlab_user", None)


@functools.cache
def door() -> None:
    """Ask every check in ``checks`` before a request may make or reach a session. Further calls do nothing."""

    def prepare(original):
        async def prepare(self):
            result = original(self)
            if inspect.isawaitable(result):
                await result
            makes_sessions = isinstance(self, DocHandler | AutoloadJsHandler | WSHandler)
            if makes_sessions and self.request.method == "GET" and not self._finished and self.current_user:
                await _knock(self)

        return prepare

    def opened(original):
        def open(self, *args, **kwargs):
            try:
                return original(self, *args, **kwargs)
            except BaseException:
                _coming.pop(_asked_for(self), None)  # refused for its token: no session will come
                raise

        return open

    def create(original):
        async def create_session_if_needed(self, session_id, request=None, token=None):
            if session_id in self._sessions or session_id in self._pending_sessions:
                return await original(self, session_id, request, token)
            _coming[session_id] = getattr(request, "sessionlab_user", None), math.inf
            try:
                return await original(self, session_id, request, token)
            except BaseException:
                # Bokeh leaves a session that could not be built pending, where it holds up whoever asks for it.
                if (pending := self._pending_sessions.pop(session_id, None)) is not None:
                    pending.cancel()
                raise
            finally:
                _coming.pop(session_id, None)

        return create_session_if_needed

    wrap(AuthRequestHandler, "prepare", prepare)
    wrap(WSHandler, "open", opened)
    wrap(ApplicationContext, "create_session_if_needed", create)


async def _knock(handler: AuthRequestHandler) -> None:
    context, session_id = handler.application_context, _asked_for(handler)  # type: ignore[attr-defined]
    if session_id in context._pending_sessions:
        return
    user = handler.current_user
    if isinstance(user, bytes):
        user = user.decode(errors="replace")
    # "default_user" is Bokeh's name for everybody where nobody logs in, "guest" is Panel's for those who did not.
    user = None if user in ("default_user", "guest") else str(user)
    visitor = Visitor(context, handler.request, user, context._sessions.get(session_id))
    visitor.name(user)
    for check in list(checks.values()):
        if refusal := await check(visitor):
            _refuse(handler, refusal)
            return
    user = visitor.named  # a check may know better
    if isinstance(handler, WSHandler) and visitor.session is None and session_id:
        _coming[session_id] = user, time.monotonic() + COMING  # Bokeh makes the session after the handshake


def _asked_for(handler: AuthRequestHandler) -> str | None:
    """The session id in a request; None if there is none, or none that can be read."""
    if isinstance(handler, WSHandler):
        token = handler.request.headers.get("Sec-WebSocket-Protocol", "").rpartition(",")[2].strip()
    else:
        token = handler.get_argument("bokeh-token", default="")
        session_id = handler.get_argument("bokeh-session-id", default=None)
        if session_id := session_id or handler.request.headers.get("Bokeh-Session-Id"):
            return session_id
    with contextlib.suppress(Exception):  # Bokeh says what is wrong with it
        return get_session_id(token)
    return None


def _refuse(handler: AuthRequestHandler, refusal: Refusal) -> None:
    refused[refusal.reason] += 1
    if isinstance(handler, WSHandler):
        refused_websockets[refusal.reason] += 1
    handler.set_status(503)
    handler.set_header("Retry-After", str(refusal.retry_after))
    handler.set_header("Cache-Control", "no-store")
    if isinstance(handler, AutoloadJsHandler):
        handler.set_header("Content-Type", "application/javascript")
        handler.finish(refusal.script(handler.get_argument("bokeh-autoload-element", default="")))
    else:
        handler.set_header("Content-Type", "text/html; charset=utf-8")
        handler.finish(refusal.page)
