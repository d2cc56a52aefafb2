"""A page that comes back to Panel in FastAPI when its session has ended gets none: exit code 1. It gets one: 0."""

import asyncio
import contextlib
import io
import re
import sys

import panel as pn
import uvicorn
from fastapi import FastAPI
from panel.io.fastapi import add_applications
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

LIFETIME = 200  # milliseconds
built = []


def page():
    built.append(1)
    return pn.widgets.IntInput(name="Count", value=0)


async def main() -> int:
    app = FastAPI()
    times = dict(unused_session_lifetime_milliseconds=LIFETIME, check_unused_sessions_milliseconds=LIFETIME)
    served = add_applications({"/page": page}, app=app, **times)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/page")
    token = re.search(rb'"token": ?"([^"]+)"', answer.body)[1].decode()
    while served._applications["/page"].sessions:  # noqa: ASYNC110 - until that of the page has ended
        await asyncio.sleep(0.05)
    request = HTTPRequest(f"ws://127.0.0.1:{port}/page/ws", headers={"Origin": f"http://127.0.0.1:{port}"})
    with io.StringIO() as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        socket = await websocket_connect(request, subprotocols=["bokeh", token])
        try:
            greeting = await asyncio.wait_for(socket.read_message(), 5)
        except TimeoutError:
            greeting = None
        socket.close()
    server.should_exit = True
    await serving
    print("good: the page was given a new session." if greeting else "The page waits for a session in vain.")
    return int(not greeting)


sys.exit(asyncio.run(main()))
