"""The first thing that runs in a served process: it hands over to ``panel serve`` or ``bokeh serve``.

    python -P -m sessionlab.agent.launch panel serve app.py --port 0 …

It changes nothing that an application can see. It reports three things to the lab that started it (the port
once it is bound, the routes, and an application that failed while it was loaded), ties the process to its
parent on Linux, and puts the agent in. Imports only the standard library, Bokeh and, through its command
line, the framework that was asked for.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def announce(**event) -> None:
    """Tell the lab something, on standard output, in a line that its log reader takes out of the log."""
    os.write(1, b"\x1e" + json.dumps(event).encode() + b"\n")


def die_with_parent() -> None:
    """Ask Linux to kill this process when the guard ends, even by ``kill -9``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


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


def prepare() -> None:
    """Tie this process to the lab, and put the agent into every server that it makes."""
    die_with_parent()
    if hasattr(faulthandler, "register"):
        # The lab asks with this signal where an application hangs.
        faulthandler.register(signal.SIGUSR1, file=sys.stdout, all_threads=True)
    token = os.environ.pop("SESSIONLAB_PROBE_TOKEN", "")
    if cwd := os.environ.pop("SESSIONLAB_IMPORT_FROM", ""):
        sys.path.insert(0, cwd)
    if token:  # a lab reads the log; the launcher tiles of JupyterLab come without
        report_listening()
        report_failures()
        from sessionlab.agent import agent

        agent.install(token, elements=bool(os.environ.pop("SESSIONLAB_ELEMENTS", "")))


def main() -> None:
    prepare()
    framework = sys.argv[1]
    sys.argv = sys.argv[1:]
    if framework == "panel":
        from panel.command import main as command
    else:
        from bokeh.__main__ import main as command  # type: ignore[assignment]
    sys.exit(command())


if __name__ == "__main__":
    main()
