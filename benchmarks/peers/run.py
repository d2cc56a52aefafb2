"""One peer on one application: python -m peers.run TOOL APP [--blank WINDOWS]. Prints one JSON object.

``{"verdict": "leak|clean", "bytes": a session, "objects": a session, "said": who it is, "windows": the numbers}``
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import urllib.request
from pathlib import Path

from sessionlab import serve
from sessionlab.client.scenario import Scenario

WARM_UP, WINDOWS, TOGETHER = 12, (24, 36), 4


async def _visits(url: str, number: int) -> None:
    scenario, left = Scenario.default(), iter(range(number))

    async def visitor():
        for _ in left:
            await scenario.visit(url, 0.0)

    await asyncio.gather(*(visitor() for _ in range(TOGETHER)))


def visit(server, number: int) -> None:
    """So many visits, and the end of their sessions."""
    asyncio.run(_visits(server.url, number))
    while server.probe.sessions():
        server.probe.discard_unused()


def ask(server, **question) -> dict:
    query = "&".join(f"{name}={value}" for name, value in question.items())
    with urllib.request.urlopen(f"{server.origin}/peer?{query}", timeout=280) as answer:
        return json.load(answer)


def measure(tool: str, app: Path) -> list[dict]:
    """The tool's numbers of each window."""
    peer = importlib.import_module(f"peers.{tool}")
    arguments = getattr(peer, "ARGUMENTS", ("--plugins", "peers.served"))
    with serve(app, panel_args=arguments, env={"PEER": tool, **getattr(peer, "ENVIRONMENT", {})}) as server:
        server.probe.timeout = 60.0
        visit(server, WARM_UP)
        if hasattr(peer, "watch"):  # a tool that is no part of the server's code
            return peer.watch(server, lambda number: visit(server, number), WINDOWS)
        ask(server, do="begin")
        windows = []
        for number in WINDOWS:
            if not getattr(peer, "VISITS_ITSELF", False):
                visit(server, number)
            windows.append(ask(server, do="window", sessions=number))
            if getattr(peer, "VISITS_ITSELF", False):
                break
        return windows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("app", type=Path)
    parser.add_argument("--blank", default="[]", help="the tool's windows on a blank application, as JSON")
    options = parser.parse_args()
    windows = measure(options.tool, options.app)
    decided = importlib.import_module(f"peers.{options.tool}").decide(windows, json.loads(options.blank))
    print(json.dumps({**decided, "windows": windows}))


if __name__ == "__main__":
    main()
