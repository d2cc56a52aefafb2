"""A page whose connection breaks within a message never comes back. Exit code 1 if so, 0 if not.

Needs a Chromium, Chrome or Edge: CHROME_PATH, or one of the usual names on PATH; exit code 2 where there is none.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import warnings
from functools import partial

from bokeh.models import Div
from bokeh.server.server import Server
from tornado.websocket import WebSocketHandler

NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"
FRAGMENTS = json.dumps({"msgid": "1", "msgtype": "PATCH-DOC"}), "{}", json.dumps({"events": []})
PATIENCE = 10  # seconds; BokehJS tries again after 0, 2 and 6 s, and later


def app(events, doc):
    doc.add_root(Div(text="an application"))
    for name in ("document_ready", "client_reconnected"):
        doc.on_event(name, lambda event: events.put_nowait(doc.session_context.session))


async def cut(session, fragments):
    """Send the beginning of a message, and hang up."""
    (socket,) = [connection._socket for connection in session._subscribed_connections]
    with await socket.write_lock.acquire():  # not within a reply that is under way
        for fragment in FRAGMENTS[:fragments]:
            await WebSocketHandler.write_message(socket, fragment)
        socket.close()


async def watch(events):
    """Cut between messages, which a page survives; then within one."""
    session = await asyncio.wait_for(events.get(), 40)
    await cut(session, 3)
    session = await asyncio.wait_for(events.get(), 40)
    await cut(session, 1)
    try:
        await asyncio.wait_for(events.get(), PATIENCE)
    except TimeoutError:
        print("cut within a message: the page stays away")
        return 1
    print("cut within a message: the page is back (good)")
    return 0


async def main():
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # a page that is back sends its models, which the server knows
    browser = os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print("this needs a browser; let CHROME_PATH name one")
        return 2
    events = asyncio.Queue()
    server = Server(partial(app, events), port=0, address="127.0.0.1", allow_websocket_origin=["127.0.0.1"])
    server.start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(browser, "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"),
            *("--remote-debugging-port=0", f"http://127.0.0.1:{server.port}/"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return await watch(events)
        finally:
            if hasattr(os, "killpg"):  # the command may be a script that starts the browser
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
            await process.communicate()  # until the last that writes there has ended
            server.stop()


sys.exit(asyncio.run(main()))
