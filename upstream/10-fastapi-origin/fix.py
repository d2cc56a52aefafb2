"""Our replacement: ``WSHandler.ws_connect`` of bokeh_fastapi, which asks its own ``check_origin`` first."""

from urllib.parse import urlparse

from bokeh_fastapi.handler import WSHandler

stock = WSHandler.ws_connect


async def ws_connect(self, websocket):
    origin = websocket.headers.get("origin")  # a browser sends one with every websocket
    own = origin is not None and urlparse(origin).netloc == websocket.headers.get("host")
    if origin is not None and not own and not self.check_origin(origin):
        await websocket.close()
        return
    await stock(self, websocket)


WSHandler.ws_connect = ws_connect
