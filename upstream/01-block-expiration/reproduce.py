"""`pn.state.block_expiration()` acts on every session of an application. Exit code 1 if it does, 0 if not."""

import asyncio
import sys

import panel as pn
from panel.io.server import get_server
from panel.io.state import set_curdoc
from tornado.httpclient import AsyncHTTPClient


async def main():
    server = get_server(lambda: pn.widgets.Button(name="work"), port=0, address="127.0.0.1")
    server.start()
    sessions = []

    async def visitor():
        await AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}/")
        (new,) = [s for s in server.get_sessions("/") if s not in sessions]
        sessions.append(new)
        return new

    working, idle = await visitor(), await visitor()
    faults = []
    try:
        with set_curdoc(working.document), pn.state.block_expiration():
            if idle.expiration_blocked_count:
                faults.append("one visitor works, and the session of another one is blocked as well")
            if not working.expiration_blocked_count:
                faults.append("the session that works is not blocked")
            later = await visitor()
    except RuntimeError as error:
        faults.append(f"a visitor came during the block, and leaving it raised: {error}")

    with set_curdoc(working.document):
        block = pn.state.block_expiration()
        block.__enter__()
    with set_curdoc(later.document), pn.state.block_expiration():
        with set_curdoc(working.document):
            block.__exit__(None, None, None)
        if not later.expiration_blocked_count:
            faults.append("the end of one block took away the protection of a session in another one")
    left = [s.expiration_blocked_count for s in sessions]
    if any(left):
        faults.append(f"no block is left, and these counts are: {left}")
    server.stop()
    print(*faults or ["good: a block is that of one session"], sep="\n")
    return bool(faults)


sys.exit(asyncio.run(main()))
