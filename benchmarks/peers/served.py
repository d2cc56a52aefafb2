"""The server's half: a route of ``panel serve --plugins peers.served`` that asks the tool named in ``PEER``."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os

from tornado.web import RequestHandler

# beside Panel's own modules, so that importing the tool belongs to no session
PEER = importlib.import_module(f"peers.{os.environ['PEER']}").Peer()


class Ask(RequestHandler):
    """``GET /peer?do=begin``, and ``do=window&sessions=24``."""

    async def get(self):
        PEER.tornado, PEER.origin = self.application, f"http://{self.request.host}"
        gc.collect()  # garbage is no tool's fault
        begin = self.get_argument("do") == "begin"
        answer = PEER.begin() if begin else PEER.window(int(self.get_argument("sessions")))
        if asyncio.iscoroutine(answer):
            answer = await answer
        self.finish(json.dumps(answer or {}))


ROUTES = [("/peer", Ask)]
