"""Which session the calling code belongs to.

`panel.state.curdoc` looks in two places: a context variable that Panel sets for each task and for the threads
it starts, and, if that is empty, a variable of Bokeh's that is one for the whole process. The second is true
only on the thread that the server runs on: in a thread of the application's own it names whichever session
happens to be served at that moment, which may be another user's.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from bokeh.application.application import SessionContext
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from panel.io.state import set_curdoc, state
from tornado.ioloop import IOLoop

from . import fastapi
from .served import wrap

# Set while the hooks of a session run: it has ended then, and Panel knows it no more.
ending_document: ContextVar[Document | None] = ContextVar("ending_document", default=None)


def _with_curdoc(original):
    """Bokeh hands a function its Document and tells nobody else whose it is: now `current_document` knows as well.

    So it is in Bokeh 3.8 and 3.9. Where `FunctionHandler` sets it by itself, this can go.
    """

    def modify_document(self, doc):
        with set_curdoc(doc):
            original(self, doc)

    return modify_document


wrap(FunctionHandler, "modify_document", _with_curdoc)


def current_document() -> Document | None:
    """The Document of the session whose code is running, or None where that cannot be said for certain."""
    fastapi.mend()
    doc = ending_document.get() or state._curdoc.get()
    if doc is None and (doc := state.curdoc) is not None and not runs_here(loop_of(doc.session_context)):
        return None
    return doc


def current_context() -> SessionContext | None:
    """The session context of `current_document`, from the moment the session is being built."""
    doc = current_document()
    return None if doc is None else doc.session_context


def application_context_of(context: SessionContext | None):
    """What serves the application of ``context``; None for a session that no server serves."""
    return getattr(getattr(context, "server_context", None), "application_context", None)


def loop_of(context: SessionContext | None) -> IOLoop | None:
    """The event loop of the server that serves ``context``."""
    return getattr(application_context_of(context), "io_loop", None)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def asyncio_loop_of(loop: IOLoop | None) -> asyncio.AbstractEventLoop:
    """The loop of asyncio that a loop of Tornado stands for; there is no other kind any more."""
    return vars(loop)["asyncio_loop"]


def runs_here(loop: IOLoop | None) -> bool:
    """Whether the caller is on the thread of ``loop``, and the loop is running."""
    return loop is not None and asyncio_loop_of(loop) is running_loop()
