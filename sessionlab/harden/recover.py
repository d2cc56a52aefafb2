"""What the user had typed and chosen comes back after the session is gone: kept in the page, signed by the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import time

from bokeh.document import Document
from bokeh.document.events import MessageSentEvent
from bokeh.settings import settings
from panel.io.state import set_curdoc, state
from panel.widgets import Widget

from .current import application_context_of, current_document
from .inputs import Input, Parameter, declared, readable
from .tab import keep_in_tab

log = logging.getLogger("sessionlab.harden")

TYPE = "sessionlab_recover"
_NAME = "_sessionlab_recovery"
_process_key = secrets.token_bytes(32)


def recover_inputs(
    *widgets: Widget | Parameter,  # type: ignore[valid-type]
    max_bytes: int = 4096,
    max_age: float = 86400,
    **named: Widget | Parameter,  # type: ignore[valid-type]
) -> None:
    """Bring the values of these widgets back when the page gets a new session.

        recover_inputs(query, year)                             # known by their names
        recover_inputs(query=text, limit=settings.param.limit)  # by names of your own, parameters too

    Call it in the served script, after the widgets are made. From then on the page keeps their values, and gives
    them to the session that it gets after a lost one, a restarted server or a reload. They are set in the order in
    which they are declared, as if the user had set them, so callbacks run. A new tab starts afresh.

    Parameters
    ----------
    widgets, named : widgets with a ``value`` that can be written as JSON, or parameters of such. Selections are kept by
        label. Names tell values apart, so each must be there once; keep them when you change the application.
    max_bytes : size, at most, of what a page keeps. What does not fit is left out, the largest value first, with a
        warning in the log.
    max_age : seconds after which what a page has kept is not accepted any more.

    What the page gives back is accepted only if this server has signed it (HMAC-SHA256), for this application and
    this user. Values that do not fit any more (an option that is gone, a number out of bounds) are left alone. The
    key is ``BOKEH_SECRET_KEY``, which all processes must share; without it the key is made up anew in each process,
    so that values outlive sessions, but no restart. It is signed, not encrypted: whoever uses the tab can read it.
    Passwords and files are therefore refused, and so is what is named like a secret.

    Outside a server session (in a notebook, or ``python app.py``) it does nothing.

    Adds what Panel 1.9 and Bokeh 3.8 to 3.10 lack: there, a page that gets a new session shows every widget as
    the script made it. To be dropped when Panel restores declared inputs.

    Raises
    ------
    ValueError : a secret, a name that is missing or there twice, a value that cannot be written as JSON.
    TypeError : neither a widget nor a parameter.
    """
    inputs = [_input("", thing) for thing in widgets] + [_input(name, thing) for name, thing in named.items()]
    doc = current_document()
    if doc is None or doc.session_context is None:
        return
    recovery = vars(doc).get(_NAME) or vars(doc).setdefault(_NAME, _Recovery(doc))
    recovery.max_bytes, recovery.max_age = max_bytes, max_age
    for item in inputs:
        recovery.add(item)


def _input(name: str, thing: Widget | Parameter) -> Input:  # type: ignore[valid-type]
    item = declared("recover_inputs", thing, name)
    if item.is_secret:
        raise ValueError(f"{item.name!r} is a secret, and the page would keep it in the open; leave it out")
    return readable(item)


class _Recovery:
    """The declared inputs of one session, and its conversation with the page."""

    max_bytes: int
    max_age: float

    def __init__(self, doc: Document):
        self._doc = doc
        self._inputs: dict[str, Input] = {}
        self._heard = self._scheduled = self._warned = False
        application = application_context_of(doc.session_context)
        self._route = getattr(application, "url", None) or "/"
        keep_in_tab(doc, TYPE, self._route, self._hear)

    def add(self, item: Input) -> None:
        if item.name in self._inputs:
            raise ValueError(f"there are two inputs of the name {item.name!r}; write recover_inputs(other_name=...)")
        self._inputs[item.name] = item
        item.owner.param.watch(self._changed, item.parameter)

    def _hear(self, stored) -> None:
        """The page says what it has kept: of an earlier session when this one is new, else of this one."""
        if not self._heard and isinstance(stored, str) and (values := self._opened(stored)):
            with set_curdoc(self._doc):
                for name in [name for name in self._inputs if name in values]:
                    try:
                        self._inputs[name].write(values[name])
                    except Exception as error:
                        log.info("recover_inputs: %r is not set again: %s", name, error)
        self._heard = True
        self._send()

    def _changed(self, event) -> None:
        if self._heard and not self._scheduled:  # what the page has kept must not be overwritten before it is heard
            self._scheduled = True
            self._doc.add_next_tick_callback(self._send)

    def _send(self) -> None:
        self._scheduled = False
        event = MessageSentEvent(self._doc, TYPE, self._signed(self._fitting()))
        self._doc.callbacks.trigger_on_change(event)

    def _fitting(self) -> dict:
        """The values by name, without those that cannot be kept, and without the largest ones if all are too much."""
        values, left_out = {}, []
        for name, item in self._inputs.items():
            try:
                values[name] = item.read()
            except Exception as error:
                left_out.append(f"{name} ({error})")
        while values and len(self._signed(values)) > self.max_bytes:
            largest = max(values, key=lambda name: len(json.dumps(values[name])))
            left_out.append(f"{largest} (more than {self.max_bytes} bytes)")
            del values[largest]
        if left_out and not self._warned:
            self._warned = True
            log.warning("recover_inputs does not keep %s", ", ".join(left_out))
        return values

    # -- what the page keeps: base64 of JSON, a dot, the signature -----------------------------------------------------

    def _signed(self, values: dict) -> str:
        content = {"time": int(time.time()), "for": self._whom(), "values": values}
        body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
        return f"{body}.{_signature(body)}"

    def _opened(self, stored: str) -> dict | None:
        body, _, signature = stored.rpartition(".")
        if len(stored) > self.max_bytes or not hmac.compare_digest(signature.encode(), _signature(body).encode()):
            return None
        content = json.loads(base64.urlsafe_b64decode(body))
        fresh = 0 <= time.time() - content["time"] <= self.max_age
        return content["values"] if fresh and content["for"] == self._whom() else None

    def _whom(self) -> list:
        with set_curdoc(self._doc):
            return [self._route, state.user if getattr(self._doc.session_context, "request", None) else None]


def _signature(body: str) -> str:
    # A key of its own, so that a signature of ours is never good for a session token, nor the other way round.
    secret = (settings.secret_key() or "").encode() or _process_key
    key = hmac.digest(secret, TYPE.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(hmac.digest(key, body.encode(), hashlib.sha256)).decode()
