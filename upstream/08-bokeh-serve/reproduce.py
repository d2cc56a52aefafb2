"""Under `bokeh serve` a Panel application keeps the Document of every session. Exit code 1 if so, 0 if not."""

import asyncio
import gc
import sys
import tempfile
import weakref
from pathlib import Path

import panel as pn
from bokeh.application import Application
from bokeh.application.handlers import Handler, ScriptHandler
from bokeh.server.server import Server
from tornado.httpclient import AsyncHTTPClient

SCRIPT = """
import panel as pn

pn.extension()
pn.widgets.Button(name="button").servable()
"""
SESSIONS = 5


async def visit(script, documents):
    class Watching(Handler):
        def modify_document(self, doc):
            documents.add(doc)

    server = Server(
        {"/": Application(ScriptHandler(filename=script), Watching())},  # what `bokeh serve script.py` makes of it
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
    documents = weakref.WeakSet()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(SCRIPT)
        asyncio.run(visit(str(script), documents))
    gc.collect()
    kept = len(documents)
    print(f"after {SESSIONS} sessions that have ended, {kept} of their Documents are in memory,")
    print(f"and panel.state._browsers holds {len(pn.state._browsers)} of them" + (" (good)" if not kept else ""))
    return bool(kept)


sys.exit(main())
