"""A program that calls ``pn.serve``, as a server of the lab."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from sessionlab.agent.launch import prepare
from sessionlab.server import Server


class Program(Server):
    """The program at ``path``, which chooses its own port; otherwise a `sessionlab.server.Server`."""

    def __init__(self, path: Path, ready_timeout: float):
        super().__init__("panel", [path.name], [str(path)], [], {}, 0, ready_timeout)

    def _command(self, port: int) -> list[str]:
        return [sys.executable, "-P", "-m", __name__, *self._targets]


if __name__ == "__main__":
    prepare()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
