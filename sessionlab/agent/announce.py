"""What a served process tells its lab on standard output, between the lines of its own log."""

from __future__ import annotations

import functools
import json
import os

LOG = "SESSIONLAB_LOG"  # the variable of the environment that says which pipe the lab reads
_pipes = [os.environ.get(LOG, "")]  # the last one counts


def take_pipe() -> None:
    """Read once more which pipe the lab reads, in a process that was forked for it; the application need not know."""
    _pipes.append(os.environ.pop(LOG, ""))


def is_heard() -> bool:
    """Whether the lab reads what this process writes: a command may have sent its output elsewhere."""
    status = os.fstat(1)
    return _pipes[-1] in ("", f"{status.st_dev}:{status.st_ino}")


def announce(**event) -> None:
    """Tell the lab something, in a line that its log reader takes out of the log."""
    if is_heard():
        os.write(1, b"\x1e" + json.dumps(event).encode() + b"\n")


def report_listening() -> None:
    """Announce port, prefix and routes as soon as the server has bound its socket."""
    from bokeh.server.server import Server

    original = Server.__init__

    @functools.wraps(original)
    def init(self, applications, *args, **kwargs):
        original(self, applications, *args, **kwargs)
        announce(event="listening", port=self.port, prefix=self.prefix, routes=sorted(self._tornado._applications))

    Server.__init__ = init  # type: ignore[method-assign]


def report_failures() -> None:
    """Announce an application whose script raised: Panel serves a page of its own then, with status 200."""
    from bokeh.application.application import Application

    original = Application.initialize_document

    @functools.wraps(original)
    def initialize_document(self, doc):
        original(self, doc)
        for handler in self.handlers:
            if handler.failed:
                announce(event="app-failed", error=handler.error, detail=handler.error_detail)

    Application.initialize_document = initialize_document  # type: ignore[method-assign]
