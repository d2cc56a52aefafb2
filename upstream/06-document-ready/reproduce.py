"""A page that comes back into a new session never becomes "ready" for Panel, and is not told what changes in it.

The page here does what BokehJS does: it says `document_ready` once in its life, and `client_reconnected` each time that
it comes back. Exit code 1 if the fault shows, 0 if not.
"""

import asyncio
import json
import logging
import re
import sys

import panel as pn
import tornado.httpclient
import tornado.websocket
from panel.io.server import get_server


def app(loaded):
    column = pn.Column()

    def add(event):
        column.append(pn.pane.HTML("a child"))

    pn.state.onload(lambda: loaded.append(True))
    return pn.Column(pn.widgets.Button(name="add", on_click=add), column)


class Page:
    """A websocket, and what was said on it."""

    def __init__(self, origin, token):
        self.origin, self.token = origin, token

    async def connect(self):
        request = tornado.httpclient.HTTPRequest(
            self.origin.replace("http", "ws") + "/ws", headers={"Origin": self.origin}
        )
        self.socket = await tornado.websocket.websocket_connect(request, subprotocols=["bokeh", self.token])
        assert (await self.message())["header"]["msgtype"] == "ACK"
        await self.send("PULL-DOC-REQ", {})
        reply = await self.message()
        self.button = re.search(r'"name": ?"panel.models.widgets.Button", ?"id": ?"(\w+)"', json.dumps(reply))[1]

    async def message(self):
        fragments = [await self.socket.read_message() for _ in range(3)]
        header, _, content = map(json.loads, fragments)
        for _ in range(2 * header.get("num_buffers", 0)):
            await self.socket.read_message()
        return {"header": header, "content": content}

    async def send(self, kind, content):
        for part in ({"msgid": str(id(content)), "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))

    async def event(self, name, **values):
        entries = {"type": "map", "entries": list(values.items())}
        event = {"type": "event", "name": name, "values": entries}
        await self.send(
            "PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}]}
        )

    async def shows_a_child(self):
        """Click: does the page hear of the child?"""
        await self.event("button_click", model={"id": self.button})
        try:
            async with asyncio.timeout(6):
                while "a child" not in json.dumps(await self.message()):
                    pass
        except TimeoutError:
            return False
        return True


async def main():
    logging.disable(logging.CRITICAL)
    loaded, ended = [], asyncio.Event()
    pn.state.on_session_destroyed(lambda context: ended.set())
    server = get_server(
        lambda: app(loaded),
        port=0,
        address="127.0.0.1",
        show=False,
        start=True,
        websocket_origin="127.0.0.1",
        check_unused_sessions_milliseconds=50,
    )
    origin = f"http://127.0.0.1:{server.port}"
    body = (await tornado.httpclient.AsyncHTTPClient().fetch(origin)).body.decode()
    page = Page(origin, re.search(r'"token":"([^"]+)"', body)[1])

    await page.connect()
    await page.event("document_ready")
    assert await page.shows_a_child(), "the first session"
    assert loaded == [True]
    (session,) = server.get_sessions("/")
    session.request_expiration()  # as after its lifetime, once nobody is connected
    page.socket.close()
    await asyncio.wait_for(ended.wait(), 30)

    await page.connect()  # the token makes a new session
    await page.event("client_reconnected")
    hears = await page.shows_a_child()
    server.stop()
    print(f"in the new session the page {'hears' if hears else 'does not hear'} of a new child,")
    print(f"and onload callbacks have {'run (good)' if loaded == [True, True] else 'not run'}")
    return not (hears and loaded == [True, True])


sys.exit(asyncio.run(main()))
