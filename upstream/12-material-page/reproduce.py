"""`panel_material_ui.Page` stays for ever, and all that stands on it. Exit code 1 if so, 0 if not."""

import asyncio
import gc
import sys
import tempfile
import weakref
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from panel.io.application import build_single_handler_application
from panel.io.server import Server
from tornado.httpclient import AsyncHTTPClient

SCRIPT = """
import panel as pn
import panel_material_ui as pmui

pn.extension()
pmui.Page(title="A page", main=["hello"]).servable()
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
    gc.collect()
    pages = weakref.WeakSet(thing for thing in gc.get_objects() if isinstance(thing, pmui.Page))
    watchers = len(pn.state.param.watchers.get("busy", {}).get("value", ()))
    print(f"after {SESSIONS} sessions that have ended, {len(pages)} of their Pages are in memory,")
    print(f"and pn.state.busy is watched {watchers} times" + (" (good)" if not pages else ""))
    return bool(pages)


sys.exit(main())
