"""A page of any website may open a websocket to Panel in FastAPI. Exit code 1 if one was let in, 0 if not."""

import asyncio
import re
import sys

import panel as pn
import uvicorn
from fastapi import FastAPI
from panel.io.fastapi import add_applications
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect


def page():
    return pn.widgets.IntInput(name="Count", value=0)


async def comes_in(port: int, origin: str) -> bool:
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/page")
    token = re.search(rb'"token": ?"([^"]+)"', answer.body)[1].decode()
    request = HTTPRequest(f"ws://127.0.0.1:{port}/page/ws", headers={"Origin": origin})
    try:
        socket = await websocket_connect(request, subprotocols=["bokeh", token])
    except HTTPClientError:
        return False
    greeted = await socket.read_message() is not None
    socket.close()
    return greeted


async def main() -> int:
    app = FastAPI()
    add_applications({"/page": page}, app=app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    own = await comes_in(port, f"http://127.0.0.1:{port}")
    foreign = await comes_in(port, "http://elsewhere.example")
    server.should_exit = True
    await serving
    assert own, "its own page has to come in"
    print("A page of elsewhere.example was let in." if foreign else "good: a page of elsewhere.example was refused.")
    return int(foreign)


sys.exit(asyncio.run(main()))
