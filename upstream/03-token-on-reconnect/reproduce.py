"""A page older than its token cannot reconnect to its own session, which is alive. Exit code 1 if so, 0 if not."""

import asyncio
import json
import logging
import re
import sys

import tornado.httpclient
import tornado.websocket
from bokeh.document import Document
from bokeh.server.server import Server
from bokeh.util.token import generate_jwt_token, generate_session_id

TOKEN_LASTS = 4  # seconds; 300 by default
SECRET = b"of this reproducer"


def app(doc: Document) -> None:
    doc.title = "an application"


async def connect(server, token) -> bool:
    """Open a websocket with `token`, as BokehJS does: does the server acknowledge it?"""
    request = tornado.httpclient.HTTPRequest(
        f"ws://127.0.0.1:{server.port}/ws", headers={"Origin": f"http://127.0.0.1:{server.port}"}
    )
    socket = await tornado.websocket.websocket_connect(request, subprotocols=["bokeh", token])
    try:
        first = await asyncio.wait_for(socket.read_message(), 5)
        return first is not None and json.loads(first)["msgtype"] == "ACK"
    finally:
        socket.close()


async def faults_of(server_class, applications, signed):
    server = server_class(
        applications,
        port=0,
        address="127.0.0.1",
        allow_websocket_origin=["127.0.0.1"],
        session_token_expiration=TOKEN_LASTS,
        secret_key=SECRET if signed else None,
        sign_sessions=signed,
    )
    server.start()
    faults = []

    page = await tornado.httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}/")
    token = re.search(r'"token":"([^"]+)"', page.body.decode())[1]
    gone = generate_jwt_token(
        generate_session_id(SECRET if signed else None, signed), SECRET if signed else None, signed, expiration=0
    )
    assert await connect(server, token), "the first connection"
    (session,) = server.get_sessions("/")
    await asyncio.sleep(TOKEN_LASTS + 1)

    if not await connect(server, token):
        faults.append("the session is alive, and its page cannot reconnect")
    if server.get_sessions("/") != [session]:
        faults.append("there is another session now")
    # What must stay as it is:
    if await connect(server, gone):
        faults.append("an expired token has made a session")
    if signed and await connect(server, token[:-4] + "AAAA"):
        faults.append("a token with a wrong signature was accepted")
    server.stop()
    return faults


async def main():
    logging.disable(logging.CRITICAL)  # a refusal is logged with its traceback
    from panel.io.application import build_applications
    from panel.io.server import Server as PanelServer  # it checks the age of a token once more

    cases = {
        "Bokeh": (Server, app, False),
        "Bokeh, signed sessions": (Server, app, True),
        "Panel": (PanelServer, build_applications(lambda: "# an application"), False),
        "Panel, signed sessions": (PanelServer, build_applications(lambda: "# an application"), True),
    }
    results = await asyncio.gather(*[faults_of(*case) for case in cases.values()])
    for name, faults in zip(cases, results, strict=True):
        print(f"{name}: {'; '.join(faults) or 'good'}")
    return any(results)


sys.exit(asyncio.run(main()))
