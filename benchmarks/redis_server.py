"""A Redis of one's own: on loopback, with a password, and with a journal, so that an orderly restart loses nothing."""

from __future__ import annotations

import secrets
import shutil
import signal
from pathlib import Path

from sessionlab.child import Child
from sessionlab.errors import ServerNotReady
from sessionlab.loopback import HOST, free_port

READY = "Ready to accept connections"


class Redis:
    """`redis-server` with its files in ``folder``; a context manager. ``url`` is its address.

    Raises ServerNotReady where there is none, or it does not start.
    """

    def __init__(self, folder: Path):
        self._program, self._folder = shutil.which("redis-server"), folder
        if self._program is None:
            raise ServerNotReady("There is no redis-server on this machine.", advice="apt-get install redis-server.")
        self._port, self._password = free_port(), secrets.token_urlsafe()
        self.url = f"redis://:{self._password}@{HOST}:{self._port}/0"
        self._start()

    def _start(self) -> None:
        settings = {
            "port": self._port,
            "bind": HOST,
            "requirepass": self._password,
            "dir": self._folder,
            "save": '""',
            "appendonly": "yes",
        }
        file = self._folder / "redis.conf"  # not in the list of processes
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self._child = Child([self._program, str(file)])
        try:
            self._child.log.wait_for(READY, 20)
        except TimeoutError as error:
            why = self._child.log.tail()
            self.stop()
            raise ServerNotReady("redis-server did not start.", why=why) from error

    def restart(self) -> None:
        """End it in an orderly way, and start it again at its address."""
        self._child.kill(signal.SIGTERM)
        self._child.wait(20)
        self.stop()
        self._start()

    def stop(self) -> None:
        """End it. May be called twice."""
        self._child.stop()

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *exc) -> None:
        self.stop()
