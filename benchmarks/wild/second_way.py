"""The same question, asked by other means: does this process keep something of each session?

    python second_way.py app.py

Bokeh's own server in a process of its own, visitors who speak its protocol by hand, Bokeh's own expiry, and then the
interpreter's word: how many objects the collector knows, how many blocks are allocated, how many Documents are alive.
Nothing of sessionlab is imported. Prints one JSON object: what a session adds, in a window of 8 and in one of 16.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

WARM_UP, WINDOWS = 8, (8, 16)  # visits
PATIENCE = 150  # seconds for all of it
AT_A_TIME = 4
READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
}


# -- in the process that serves ----------------------------------------------------------------------------------------


def serve(app: str) -> None:
    import panel as pn
    from bokeh.document import Document
    from panel.io.application import build_single_handler_application
    from panel.io.server import Server
    from tornado.web import RequestHandler

    class Count(RequestHandler):
        async def get(self):
            while server.get_sessions():  # noqa: ASYNC110 - Bokeh has no event for it
                await asyncio.sleep(0.05)
            for _ in range(3):
                gc.collect()
            objects = gc.get_objects()
            kinds = collections.Counter(map(type, objects))
            names = {f"{kind.__module__}.{kind.__qualname__}": n for kind, n in kinds.items() if n > 5}
            documents = sum(n for kind, n in kinds.items() if kind is Document)
            count = {"objects": len(objects), "blocks": sys.getallocatedblocks(), "documents": documents}
            self.write({**count, "kinds": names})

    os.chdir(Path(app).parent)
    sys.path.insert(0, str(Path(app).parent))
    pn.config.session_history = 0
    server = Server(
        {"/app": build_single_handler_application(app)},
        port=0,
        address="127.0.0.1",
        unused_session_lifetime_milliseconds=500,
        check_unused_sessions_milliseconds=100,
        extra_patterns=[("/count", Count)],
        allow_websocket_origin=["127.0.0.1"],
    )
    print("port", server.port, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads what the application prints
    server.run_until_shutdown()


# -- the visitors ------------------------------------------------------------------------------------------------------


def uses(node) -> list[dict]:
    """Events of a user who touches what the page has once, out of the document as it was sent."""
    found = []
    if isinstance(node, dict):
        name, key, values = node.get("name", ""), node.get("id"), node.get("attributes", {})
        if node.get("type") == "object" and key:
            kind, change = str(name).rsplit(".", 1)[-1], None
            if kind.endswith("Button"):
                what = {"type": "map", "entries": [["model", {"id": key}]]}
                event = {"type": "event", "name": "button_click", "values": what}
                found.append({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event})
            elif kind in ("Checkbox", "Toggle", "Switch"):
                change = "active", not values.get("active", False)
            elif kind in ("TextInput", "TextAreaInput"):
                change = "value", "second way"
            elif kind == "Slider" and isinstance(values.get("end"), int | float):
                change = "value", values["end"]
            elif kind == "Select" and isinstance(values.get("options"), list) and values["options"]:
                last = values["options"][-1]
                change = "value", last if isinstance(last, str) else None
            if change and change[1] is not None:
                found.append({"kind": "ModelChanged", "model": {"id": key}, "attr": change[0], "new": change[1]})
        for item in node.values():
            found += uses(item)
    elif isinstance(node, list):
        for item in node:
            found += uses(item)
    return found


async def visit(port: int) -> None:
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.websocket import websocket_connect

    page = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/app", request_timeout=60)
    token = re.search(rb'"token":"([^"]+)"', page.body)[1].decode()
    request = HTTPRequest(f"ws://127.0.0.1:{port}/app/ws", headers={"Origin": f"http://127.0.0.1:{port}"})
    wire = await websocket_connect(request, subprotocols=["bokeh", token], max_message_size=1 << 30)

    async def answer(to: str | None) -> dict:
        """The content of the message that answers a request; what the server sends meanwhile is read."""
        while True:
            header = json.loads(await asyncio.wait_for(wire.read_message(), 60))
            await wire.read_message()
            content = json.loads(await wire.read_message())
            for _ in range(2 * header.get("num_buffers", 0)):
                await wire.read_message()
            if to is None or header.get("reqid") == to:
                return content

    async def ask(kind: str, number: int, content: dict) -> dict:
        for part in ({"msgid": f"{number}", "msgtype": kind}, {}, content):
            await wire.write_message(json.dumps(part))
        return await answer(f"{number}")

    await answer(None)  # ACK
    document = (await ask("PULL-DOC-REQ", 1, {})).get("doc", {})
    await ask("PATCH-DOC", 2, {"events": [READY]})
    for number, use in enumerate(uses(document)[:40], 3):
        await ask("PATCH-DOC", number, {"events": [use]})
    wire.close()


async def visits(port: int, number: int) -> None:
    for begin in range(0, number, AT_A_TIME):
        await asyncio.gather(*[visit(port) for _ in range(min(AT_A_TIME, number - begin))])


async def count(port: int) -> dict:
    from tornado.httpclient import AsyncHTTPClient

    await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/count", request_timeout=60)  # what counting itself needs
    return json.loads((await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/count", request_timeout=60)).body)


async def compare(port: int) -> dict:
    await visits(port, WARM_UP)
    counts = [await count(port)]
    for number in WINDOWS:
        await visits(port, number)
        counts.append(await count(port))
    first, middle, last = counts

    def rates(of) -> list[float]:
        return [round((of(b) - of(a)) / n, 2) for a, b, n in ((first, middle, WINDOWS[0]), (middle, last, WINDOWS[1]))]

    per_session = {name: rates(lambda c, name=name: c[name]) for name in ("objects", "blocks", "documents")}
    kinds = {kind: rates(lambda c, kind=kind: c["kinds"].get(kind, 0)) for kind in last["kinds"]}
    stay = sorted(((min(r), kind) for kind, r in kinds.items() if min(r) >= 0.9), reverse=True)
    return {**per_session, "kinds": [f"{rate:g} {kind}" for rate, kind in stay[:6]]}


def main(app: str) -> int:
    command = [sys.executable, __file__, "--serve", str(Path(app).resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = next((int(line.split()[1]) for line in server.stdout if line.startswith("port ")), None)
            if port is None:
                print(json.dumps({"error": "the server did not start"}))
                return 3
            print(json.dumps(asyncio.run(asyncio.wait_for(compare(port), PATIENCE))))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
            return 3
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    raise SystemExit(main(sys.argv[1]))
