"""What the probe adds to building a session: the same app with it and without it, in turn, in one process.

    python benchmarks/probe_overhead.py [--blocks 10]

CPU time of the thread is measured, because other programs do not disturb it much. Blocks of sessions with and
without the probe take turns; the medians of neighbouring blocks are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import statistics
import tempfile
import time
from pathlib import Path

from bokeh.util.token import generate_jwt_token
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from sessionlab.observe.probe import Probe

APP = """
import panel as pn

pn.extension()
slider = pn.widgets.IntSlider(name="n", end=10)
pn.Column(slider, pn.widgets.Button(name="go"), pn.bind(lambda n: f"# {n}", slider)).servable()
"""
PER_BLOCK = 25


async def life_of_a_session(context, session_id: str) -> float:
    """Build, connect, disconnect and discard one session; return the thread's CPU seconds for all of it."""

    class Connection:
        _socket = None

    line, headers = RequestStartLine("GET", "/app", "HTTP/1.1"), HTTPHeaders({"Host": "127.0.0.1"})
    request = HTTPServerRequest(headers=headers, start_line=line)
    token = generate_jwt_token(session_id)
    gc.collect()  # else it falls on whichever session happens to be built then
    begin = time.thread_time()
    session = await context.create_session_if_needed(session_id, request, token)
    connection = Connection()
    session.subscribe(connection)
    session.unsubscribe(connection)
    session.request_expiration()
    await context._discard_session(session, lambda s: True)
    return time.thread_time() - begin


async def measure(blocks: int) -> None:
    from panel.io.server import get_server

    logging.getLogger("bokeh").setLevel(logging.ERROR)
    probe = Probe("token")
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        app.write_text(APP)
        server = get_server({"app": str(app)}, port=0, address="127.0.0.1")
        (context,) = server._tornado._applications.values()
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for block in range(2 * blocks + 1):  # the first one warms up
            watched = bool(block % 2)
            if watched:
                probe.install()
            of_block = [await life_of_a_session(context, f"{block} {i}") for i in range(PER_BLOCK)]
            if watched:
                probe.uninstall()
            if block:
                seconds[watched].append(statistics.median(of_block))
        server.stop()
    without = statistics.median(seconds[False])
    pairs = [a - b for a, b in zip(seconds[True], seconds[False], strict=True)]
    added, spread = statistics.median(pairs), statistics.stdev(pairs) / len(pairs) ** 0.5
    print(f"a session without the probe: {without * 1000:.2f} ms of CPU")
    print(f"the probe adds {added * 1000:.3f} ms (standard error {spread * 1000:.3f}): {added / without:.2%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=10)
    asyncio.run(measure(parser.parse_args().blocks))
