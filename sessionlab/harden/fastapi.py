"""Panel in FastAPI: what ``bokeh_fastapi`` leaves undone there, and what cannot be done there.

`mend` is called by every function of ``harden`` that belongs to a session. For bokeh_fastapi 0.1 and Panel 1.9 it
replaces

- what happens when a websocket has been closed: its handler waits for an exception that Starlette raises for other
  reads, so the server never learns of it, the session stays connected, and is never discarded (bokeh-fastapi#19);
- what a page gets that comes back when its session has ended: an error, for Panel asks the request of a websocket,
  which is a dictionary there, for its protocol.

To be dropped when both are mended.
"""

from __future__ import annotations

import functools
import gc
import sys

from bokeh.server.contexts import ApplicationContext
from bokeh.server.server import BaseServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from .served import wrap

INSTEAD = {
    "SessionLimits": "uvicorn's --limit-concurrency bounds the connections; sessions are bounded under `panel serve`.",
    "drain": "uvicorn ends in order by itself (--timeout-graceful-shutdown); hooks run when the process ends.",
    "metrics": "mount prometheus_client.make_asgi_app() with numbers of your own, or serve with `panel serve`.",
}


def handler():
    """The class that serves websockets in FastAPI; None where FastAPI serves nothing of Bokeh."""
    return getattr(sys.modules.get("bokeh_fastapi.handler"), "WSHandler", None)


def serves() -> bool:
    """Whether what this process serves, it serves through FastAPI."""
    return handler() is not None and not any(issubclass(type(thing), BaseServer) for thing in gc.get_objects())


def refuse(name: str) -> None:
    """Raise RuntimeError for a part of ``harden`` that has no place to stand in FastAPI."""
    if serves():
        raise RuntimeError(f"{name} does nothing in FastAPI, where no server of Bokeh's runs: {INSTEAD[name]}")


def mend() -> None:
    """From now on Bokeh hears of every websocket that was closed, and websockets may make sessions."""
    if (found := handler()) is not None:
        _mend(found)


@functools.cache
def _mend(handler) -> None:
    def around(original):
        async def ws_connect(self, websocket):
            try:
                return await original(self, websocket)
            finally:
                if self.connection is not None:
                    self.application.client_lost(self.connection)

        return ws_connect

    def create(original):
        async def create_session_if_needed(self, session_id, request=None, token=None):
            return await original(self, session_id, _request(request) if isinstance(request, dict) else request, token)

        return create_session_if_needed

    wrap(handler, "ws_connect", around)
    wrap(ApplicationContext, "create_session_if_needed", create)


def _request(scope: dict) -> HTTPServerRequest:
    """The request of a websocket, out of what ASGI tells of it."""
    query = scope["query_string"].decode()
    headers = HTTPHeaders({"Upgrade": "websocket"})
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    line = RequestStartLine("GET", scope["path"] + f"?{query}" * bool(query), "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=headers)
    vars(request).update({name: scope[name] for name in ("route_params", "app_path") if name in scope})  # Panel's
    return request
