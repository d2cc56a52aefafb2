"""A table far away, which knows how often it was asked for."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Source:
    """An HTTP server on a free loopback port, in a thread of its own; a context manager.

    Attributes
    ----------
    url : what an app asks.
    rows : how many rows the table has; another number in every check.
    asked : the paths that were asked for, oldest first.
    """

    def __init__(self):
        self.rows = 1000 + secrets.randbelow(9000)
        self.asked: list[str] = []
        source = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                source.asked.append(self.path)
                body = b"row\n" + b"1\n" * source.rows
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/table.csv"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Source:
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
