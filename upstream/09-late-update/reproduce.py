"""Of clicks that follow one another quickly, Panel may keep back what the last one has changed, until the next.

The page clicks three times, and reads all that comes; so many times. Exit code 1 if it was not always told of the last
click, 0 if it was.
"""

import asyncio
import itertools
import json
import logging
import re
import sys

import panel as pn
import tornado.httpclient
import tornado.websocket
from panel.io.server import get_server

TURNS = list(itertools.product(range(8), range(8)))
changed = asyncio.Event()


def app():
    text = pn.pane.HTML()
    turns = iter(TURNS)

    async def change(event):
        before, between = next(turns)
        await some(before)
        text.object = "first"
        await some(between)
        text.object = "last"
        changed.set()

    return pn.Column(text, pn.widgets.Button(name="change", on_click=change))


async def some(turns):
    for _ in range(turns):
        await asyncio.sleep(0)


class Page:
    """A websocket, and what was said on it."""

    def __init__(self, origin, token):
        self.origin, self.token = origin, token

    async def connect(self):
        request = tornado.httpclient.HTTPRequest(
            self.origin.replace("http", "ws") + "/ws", headers={"Origin": self.origin}
        )
        self.socket = await tornado.websocket.websocket_connect(request, subprotocols=["bokeh", self.token])
        assert "ACK" in await self.message()
        document = await self.answer("PULL-DOC-REQ", "PULL-DOC-REPLY")
        self.button = re.search(r'"name": ?"panel.models.widgets.Button", ?"id": ?"(\w+)"', document)[1]
        await self.event("document_ready")

    async def message(self):
        header, _, content = [await self.socket.read_message() for _ in range(3)]
        for _ in range(2 * json.loads(header).get("num_buffers", 0)):
            await self.socket.read_message()
        return header + content

    async def answer(self, request, reply):
        """Ask; all that the server says until it has answered."""
        await self.send(request, {})
        heard = ""
        while reply not in heard:
            heard += await self.message()
        return heard

    async def send(self, kind, content):
        for part in ({"msgid": str(id(content)), "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))

    async def event(self, name, **values):
        entries = {"type": "map", "entries": list(values.items())}
        event = {"type": "event", "name": name, "values": entries}
        await self.send(
            "PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}]}
        )


async def main():
    logging.disable(logging.CRITICAL)
    server = get_server(app, port=0, address="127.0.0.1", show=False, start=True, websocket_origin="127.0.0.1")
    origin = f"http://127.0.0.1:{server.port}"
    body = (await tornado.httpclient.AsyncHTTPClient().fetch(origin)).body.decode()
    page = Page(origin, re.search(r'"token":"([^"]+)"', body)[1])
    await page.connect()

    kept_back = []
    for turns in TURNS:
        changed.clear()
        await page.event("button_click", model={"id": page.button})
        await asyncio.wait_for(changed.wait(), 30)
        await asyncio.sleep(0.1)  # ten times what Panel waits before it tries to write again
        if "last" not in await page.answer("SERVER-INFO-REQ", "SERVER-INFO-REPLY"):
            kept_back.append(turns)
    server.stop()
    if kept_back:
        print(f"in {len(kept_back)} of {len(TURNS)} cases the page was not told of the last change: {kept_back}")
        return 1
    print("every change comes (good)")
    return 0


sys.exit(asyncio.run(main()))
