"""A component class that the served script defines stays for good, one a session. Exit code 1 if so, 0 if not."""

import asyncio
import gc
import sys
import tempfile
from pathlib import Path

from panel.io.application import build_single_handler_application
from panel.io.server import Server
from tornado.httpclient import AsyncHTTPClient

SCRIPT = """
import panel as pn
from panel.custom import JSComponent

pn.extension()

class Greeting(JSComponent):
    _esm = "export function render() { return document.createElement('p') }"

Greeting().servable()
"""
SESSIONS = 5


async def visit(script):
    server = Server(
        {"/": build_single_handler_application(script)},
        port=0,
        address="127.0.0.1",
        unused_session_lifetime_milliseconds=1,
        check_unused_sessions_milliseconds=20,
    )
    server.start()
    for _ in range(SESSIONS):
        await AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}/")
    for _ in range(1000):
        if not server.get_sessions("/"):
            break
        await asyncio.sleep(0.02)
    server.stop()


def main():
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(SCRIPT)
        asyncio.run(visit(str(script)))
    for _ in range(3):
        gc.collect()
    kept = sum(isinstance(cls, type) and cls.__name__.startswith("Greeting") for cls in gc.get_objects())
    print(
        f"after {SESSIONS} sessions that have ended, {kept} classes of theirs are in memory"
        + ("" if kept else " (good)")
    )
    return bool(kept)


sys.exit(main())
