"""Two servers of one application behind the nginx of `deploy/`, of which either can be ended and started again."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sessionlab import Outage, serve
from sessionlab.nginx import Nginx
from sessionlab.server import Server

ROOT = Path(__file__).parents[1]
PLUGIN = ["--plugins", "production", "--use-xheaders"]  # of deploy/


class Fleet:
    """The servers, nginx in front of them, and a wire in front of that.

    Parameters
    ----------
    app : the script that both serve.
    env : environment variables of both.
    panel_args : further arguments of ``panel serve``.
    options : of `sessionlab.serve`, such as ``lifetime``.

    Attributes
    ----------
    url : of the page, by the wire.
    ending : pids of servers that were asked to end, or killed.
    killed : when (monotonic) a server was killed, by its pid.
    """

    def __init__(self, app: Path, env: Mapping[str, str], panel_args=PLUGIN, **options):
        self._app, self._env, self._panel_args, self._options = app, env, panel_args, options
        self.ending: set[int] = set()
        self.killed: dict[int, float] = {}
        self.servers: list[Server] = []
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [server.stop() for server in self.servers])
            with ThreadPoolExecutor() as pool:
                for starting in [pool.submit(self._serve) for _ in range(2)]:
                    self.servers.append(starting.result())
            self.nginx = stack.enter_context(Nginx(ROOT / "deploy" / "nginx.conf", self.servers))
            self.wire = stack.enter_context(Outage(self.nginx.url))
            self.url = self.wire.url
            self._stack = stack.pop_all()

    def _serve(self, port: int = 0) -> Server:
        env = {"PYTHONPATH": str(ROOT / "deploy"), "SESSIONS_LIVE": "1000", **self._env}
        return serve(self._app, port=port, panel_args=self._panel_args, env=env, **self._options)

    def replace(self, place: int, how: signal.Signals) -> None:
        """End one server, wait until it has ended, and start it again on its port."""
        old = self.servers[place]
        self.ending.add(old.pid)
        if how == signal.SIGKILL:
            self.killed[old.pid] = time.monotonic()
        old.kill(how)
        old.wait(40)
        old.stop()
        self.servers[place] = self._serve(old.port)

    def close(self) -> None:
        self._stack.close()
