"""A server in this process that tells, in `events`, who notices that a connection has closed, and a session ended."""

import asyncio

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.models import Div
from bokeh.server import urls
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from bokeh.server.views.ws import WSHandler
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

events = asyncio.Queue()
running = []


class Watching(BokehTornado):
    def client_lost(self, connection):
        events.put_nowait("BokehTornado.client_lost")
        super().client_lost(connection)


class WatchingWebsocket(WSHandler):
    def on_close(self):
        events.put_nowait(f"WSHandler.on_close; it knows its session: {self.connection.session is not None}")
        super().on_close()


def page(doc):
    doc.add_root(Div(text="watched"))
    doc.on_event("connection_lost", lambda event: events.put_nowait("connection_lost, on the document"))
    doc.on_session_destroyed(lambda context: events.put_nowait("on_session_destroyed, on the document"))


def start():
    """Serve the page, and return its address."""
    route = next(i for i, pattern in enumerate(urls.per_app_patterns) if pattern[0] == "/ws")
    urls.per_app_patterns[route] = ("/ws", WatchingWebsocket)
    tornado = Watching(
        {"/watched": Application(FunctionHandler(page))},
        unused_session_lifetime_milliseconds=500,
        check_unused_sessions_milliseconds=100,
    )
    sockets, port = bind_sockets("127.0.0.1", 0)
    http = HTTPServer(tornado)
    http.add_sockets(sockets)
    running[:] = [BaseServer(IOLoop.current(), tornado, http), http]
    running[0].start()
    return f"http://127.0.0.1:{port}/watched"


def stop():
    for part in running:
        part.stop()
