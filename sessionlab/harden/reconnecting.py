"""A page that lost its connection comes back soon, into its own session if that lives, and says what it found."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from bokeh.document import Document
from bokeh.document.events import MessageSentEvent
from bokeh.events import DocumentReady
from bokeh.models import CustomJS
from bokeh.util.token import get_token_payload
from panel.io.notifications import NotificationAreaBase
from panel.io.state import state

from . import tickets
from .current import asyncio_loop_of, current_document, loop_of
from .tickets import TYPE

NAME = "_sessionlab_reconnect"  # of a Document's attribute; the other is that of `persist`
PERSISTED = "_sessionlab_persist"
PAGE = Path(__file__).with_name("reconnect.js").read_text(encoding="utf-8")
TEXTS = {
    "lost": "The connection is lost. Trying again.",
    "resumed": "Connected again. Your session goes on where it was.",
    "restored": "Connected again. Your session had ended; what you had entered is back.",
    "restarted": "Connected again, but your session had ended. This is a new one: what you had entered is gone.",
    "refused": "Your session has ended and the server takes this page back no more. Load it again to start anew.",
    "now": "Try now",
    "close": "Close",
    "reload": "Load again",
}
EXPIRES = 300  # seconds that a token is good for in FastAPI
MOST = 3600.0  # seconds between two tickets, at most


def reconnect(*, retry: float = 0.5, texts: Mapping[str, str] | None = None) -> None:
    """Bring a page that lost its connection back to its session, and tell the user how that went.

        from sessionlab.harden import reconnect
        reconnect()

    Call it once in the served script or function, before or after ``pn.extension``. From then on the page

    - tries again at once, then about every ``retry`` seconds, and at once when the browser says that it is online or
      visible again;
    - comes back to a session that lives, however old the page's token is. While it is connected the server gives it
      tickets, each good for this session and this user only, and only while the session lives;
    - says what it was: resumed, restored (the session had ended, and `persist` brought its values back), restarted (it
      had ended, and there is a new one) or refused, in an element with ``role="status"``, and through Panel's
      notifications if they are on, in place of Panel's own words;
    - reads array data that is sent again, and hears of later changes: a new session is told that its page is ready.

    Parameters
    ----------
    retry : mean seconds between two attempts, spread by 40 % each way. After a while they become rarer: the mean is
        2 % of the time that has passed, at most 10 s; and ten times that while nobody looks at the page. There is one
        attempt at a time. A thousand pages that lost the same server knock ``1000 / retry`` times a second for its
        first half minute: give more if what stands before the server cannot bear that.
    texts : words of your own for the keys of `TEXTS` in this module.

    A new session is opened only with the token that the page came with, and only until that expires
    (``--session-token-expiration``), as ever. Users, signed sessions and ``--session-ids external-signed`` are checked
    as ever too. Outside a server session it does nothing. With Bokeh 3.8 the texts of a page stay hidden in a new
    session, until the page is loaded again.

    Replaces ``pn.extension(reconnect=...)`` of Panel 1.8 and 1.9 with Bokeh 3.8 and 3.9, where the page tries after
    0, 2, 6, 14 and 30 s and then no more; is refused after 300 s, although its session lives; says "re-established"
    when everything was lost; stays deaf to later changes in a new session; cannot read arrays again; sends the whole
    document back to the server, for ever if that takes no message of its size; does not come back at all if it was cut
    within a message; and where ``notifications=True`` without a template keeps each Document for good. To be dropped
    when both do these things; Bokeh 3.10 reads the arrays.

    Raises
    ------
    ValueError : ``retry`` is not above 0, or a text has no such name.
    """
    if not retry > 0:
        raise ValueError(f"retry={retry!r} cannot be used: give seconds, as a number above 0")
    if unknown := set(texts or ()) - set(TEXTS):
        raise ValueError(f"there is no text {sorted(unknown)[0]!r}; the texts are {', '.join(TEXTS)}")
    doc = current_document()
    if doc is None or doc.session_context is None or NAME in vars(doc):
        return
    settings = {"type": TYPE, "retry": retry, "texts": {**TEXTS, **(texts or {})}}
    vars(doc)[NAME] = _Page(doc, f"const settings = {json.dumps(settings)}\n{PAGE}")


class _Page:
    """The conversation of one session with its page."""

    def __init__(self, doc: Document, code: str):
        self._doc = doc
        self._ready = False
        self._timer: asyncio.TimerHandle | None = None
        self._replaces = _born_of_websocket(doc)
        self._mark = secrets.token_hex(8)  # tells the page one session from another: both have the same id
        script = CustomJS(code=code)
        doc.js_on_event("document_ready", script)
        doc.js_on_event("connection_lost", script)
        doc.on_event("document_ready", self._on_ready)
        doc.on_event("client_reconnected", self._on_reconnected)
        doc.on_session_destroyed(_end(weakref.ref(doc), self))

    def _on_ready(self, event) -> None:
        self._ready = True
        self._replaces = False
        self._start()
        self._send()

    def _on_reconnected(self, event) -> None:
        outcome = "restarted" if self._replaces else "resumed"
        self._replaces = False
        if not self._ready:  # the page says it once in its life, and Panel holds back what it has to show until then
            self._doc.callbacks.trigger_event(DocumentReady())
        self._start()
        if outcome == "restarted" and (kept := vars(self._doc).get(PERSISTED)) is not None:
            kept.when_restored(lambda restored: self._send(outcome="restored" if restored else "restarted"))
        else:
            self._send(outcome=outcome)

    def _start(self) -> None:
        sockets = [connection._socket for connection in self._session._subscribed_connections]
        if self._timer is None and sockets:
            lives = getattr(sockets[0].application, "session_token_expiration", EXPIRES)
            self._wait(asyncio_loop_of(loop_of(self._doc.session_context)), min(MOST, lives / 2))

    def _wait(self, loop: asyncio.AbstractEventLoop, period: float) -> None:
        # A periodic callback of the document would keep it after its end, until the callback is due once more.
        def tick():
            self._doc.add_next_tick_callback(self._send)
            self._wait(loop, period)

        self._timer = loop.call_later(period, tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, **more) -> None:
        if (ticket := tickets.issue(self._session)) is None:
            return
        token = getattr(self._doc.session_context, "_token", None)  # the page's own: a ticket makes no session
        if token is not None:
            more["expires"] = get_token_payload(token)["session_expiry"] - time.time()
        message = {"ticket": ticket, "mark": self._mark, **more}
        self._doc.callbacks.trigger_on_change(MessageSentEvent(self._doc, TYPE, message))

    @property
    def _session(self):
        return self._doc.session_context.session


def _born_of_websocket(doc: Document) -> bool:
    """Whether this session was made when a page came back, and not when one was loaded."""
    # a proxy whose headers are those of the page's first request
    request = getattr(doc.session_context, "request", None)
    request = getattr(request, "_request", None)
    return request is not None and request.headers.get("Upgrade", "").lower() == "websocket"


def _end(ref: weakref.ref[Document], page: _Page):
    def end(context) -> None:
        page.stop()
        tickets.forget(context.session)
        doc = ref()
        views = [name for name, (view, _, of, _) in state._views.items() if of is doc]
        for name in views:
            if isinstance(state._views[name][0], NotificationAreaBase):
                del state._views[name]

    return end
