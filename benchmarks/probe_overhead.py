"""What the probe adds to the life of a session, from its building to its end.

    python benchmarks/probe_overhead.py [--sessions 100]

A stopwatch (CPU time of the thread) runs around everything that the probe put around a function of Bokeh, and
stops while the function itself runs. Building the same sessions with and without the probe and subtracting says
the same, but within the noise of a busy machine, which is many times larger.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import inspect
import logging
import statistics
import tempfile
import time
from pathlib import Path

from bokeh.util.token import generate_jwt_token
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from sessionlab.agent.agent import Probe

APP = """
import panel as pn

pn.extension()
slider = pn.widgets.IntSlider(name="n", end=10)
pn.Column(slider, pn.widgets.Button(name="go"), pn.bind(lambda n: f"# {n}", slider)).servable()
"""


class Stopwatch:
    """Adds up the time spent in what was put around a function, without the function itself."""

    def __init__(self):
        self.spent = 0.0

    def around(self, make):
        """``make`` builds a wrap from a function, as `Patches.wrap` takes it."""
        return lambda original: self._timed(make(self._timed(original, -1)), +1)

    def _timed(self, function, sign: int):
        async def timed_coroutine(*args, **kwargs):
            begin = time.thread_time()
            try:
                return await function(*args, **kwargs)
            finally:
                self.spent += sign * (time.thread_time() - begin)

        def timed(*args, **kwargs):
            begin = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent += sign * (time.thread_time() - begin)

        return timed_coroutine if inspect.iscoroutinefunction(function) else timed


async def life_of_a_session(context, session_id: str) -> float:
    """Build, connect, disconnect and discard one session; return the thread's CPU seconds for all of it."""

    class Connection:
        _socket = None

    line, headers = RequestStartLine("GET", "/app", "HTTP/1.1"), HTTPHeaders({"Host": "127.0.0.1"})
    request = HTTPServerRequest(headers=headers, start_line=line)
    token = generate_jwt_token(session_id)
    begin = time.thread_time()
    session = await context.create_session_if_needed(session_id, request, token)
    connection = Connection()
    session.subscribe(connection)
    session.unsubscribe(connection)
    session.request_expiration()
    await context._discard_session(session, lambda s: True)
    return time.thread_time() - begin


async def measure(sessions: int) -> None:
    from panel.io.server import get_server

    logging.getLogger("bokeh").setLevel(logging.ERROR)
    probe, stopwatch = Probe("token"), Stopwatch()
    patches = probe.lifecycle._patches
    wrap = patches.wrap
    # These two look at who calls them, and would see the stopwatch; they take a microsecond.
    looking = ("block_expiration", "unblock_expiration")
    patches.wrap = lambda owner, name, make: wrap(owner, name, make if name in looking else stopwatch.around(make))
    probe.install()
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        app.write_text(APP)
        server = get_server({"app": str(app)}, port=0, address="127.0.0.1")
        (context,) = server._tornado._applications.values()
        whole, added = [], []
        gc.disable()  # else a collection falls on whichever session happens to be built then
        for i in range(sessions + 5):
            if i % 10 == 0:
                gc.collect()
            stopwatch.spent = 0.0
            seconds = await life_of_a_session(context, f"session {i}")
            if i >= 5:  # the first ones fill caches
                whole.append(seconds)
                added.append(stopwatch.spent)
        server.stop()
    probe.uninstall()
    without = statistics.median(whole) - statistics.median(added)
    print(f"a session without the probe: {without * 1000:.2f} ms of CPU (median of {sessions})")
    print(f"the probe adds {statistics.median(added) * 1000:.3f} ms: {statistics.median(added) / without:.2%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=100)
    asyncio.run(measure(parser.parse_args().sessions))
