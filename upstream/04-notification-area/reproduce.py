"""`pn.extension(notifications=True)` keeps the Document of every session for good. Exit code 1 if so, 0 if not."""

import asyncio
import gc
import sys
import tempfile
import weakref
from pathlib import Path

import panel as pn
from panel.io.application import build_single_handler_application
from panel.io.server import Server
from tornado.httpclient import AsyncHTTPClient

SCRIPT = """
import panel as pn

pn.extension(notifications=True)
pn.widgets.Button(name="button").servable()
"""
SESSIONS = 5


async def visit(script, documents):
    server = Server(
        {"/": build_single_handler_application(script)},
        port=0,
        address="127.0.0.1",
        unused_session_lifetime_milliseconds=1,
        check_unused_sessions_milliseconds=20,
    )
    server.start()
    pn.state.on_session_created(lambda context: documents.add(context._document))
    for _ in range(SESSIONS):
        await AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}/")
    for _ in range(1000):
        if not server.get_sessions("/"):
            break
        await asyncio.sleep(0.02)
    server.stop()


def main():
    documents = weakref.WeakSet()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(SCRIPT)
        asyncio.run(visit(str(script), documents))
    gc.collect()
    views = sum(type(view[0]).__name__ == "NotificationArea" for view in pn.state._views.values())
    kept = len(documents)
    print(f"after {SESSIONS} sessions that have ended, {kept} of their Documents are in memory,")
    print(f"and panel.state._views holds {views} NotificationAreas" + (" (good)" if not kept + views else ""))
    return bool(kept + views)


sys.exit(main())
