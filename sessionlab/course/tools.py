"""Well-known tools in running servers, each asked after some visits: chapter 06 compares what they say.

They run inside the servers, which were started with `--plugins apps.leak_tools`.

tools = Tools({"leaky": leaky, "mended": mended})
for name, lines in (await tools.tracemalloc()).items():
    print(name, lines[0])
"""

from __future__ import annotations

import asyncio
import collections
import csv
import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from sessionlab.client.crowd import visit_together
from sessionlab.course.measure import emptied
from sessionlab.errors import InvalidOption
from sessionlab.server import Server

VISITS = 10
SMALL = 0.2  # megabytes a visit; less than that is what any page brings about
SLOWEST = 60.0  # seconds in which a tool has answered


@dataclass(frozen=True)
class Line:
    """A line that allocated what is still there: its ``place``, and ``megabytes`` for each visit."""

    place: str
    megabytes: float

    def __str__(self) -> str:
        if self.megabytes < SMALL:
            return f"less than {SMALL} MB a visit"
        return f"{self.megabytes:.1f} MB a visit from {PurePath(self.place.rpartition(':')[0]).name}"


@dataclass(frozen=True)
class Allocations:
    """What was allocated at one place and not given back: its ``stack``, the innermost first, and ``megabytes``."""

    stack: tuple[str, ...]
    megabytes: float

    def __str__(self) -> str:
        return "small" if self.megabytes < SMALL else " < ".join(self.stack)


class Tools:
    """``servers`` by name, which every tool looks at at the same time; ``visits`` come to each while it looks.

    Every tool but `chain` returns its answers by the names of the servers.
    """

    def __init__(self, servers: Mapping[str, Server], visits: int = VISITS):
        self.servers, self.visits = servers, visits

    async def tracemalloc(self) -> dict[str, list[Line]]:
        """The ten lines that allocated most of what the visits left, the largest first."""

        async def lines(server: Server) -> list[Line]:
            await _ask(server, "tracemalloc_start")
            await self._visits(server)
            rows = await _ask(server, "tracemalloc_stop")
            return [Line(place, grown / self.visits / 1e6) for place, grown in rows]

        return await self._all(lines)

    async def objgraph(self) -> dict[str, collections.Counter]:
        """How many objects more there are of each type after the visits."""

        async def growth(server: Server) -> collections.Counter:
            await _ask(server, "objgraph_growth")
            await self._visits(server)
            return collections.Counter({kind: more for kind, _, more in await _ask(server, "objgraph_growth")})

        return await self._all(growth)

    async def chain(self, name: str, kind: str) -> list[str]:
        """One chain of types from a module to an object of that ``kind``, in the server of that name."""
        return await _ask(self.servers[name], "objgraph_chain", kind=kind)

    async def memray(self, of: tuple[str, ...]) -> dict[str, list[Allocations]]:
        """What the visits allocated and did not give back, the largest first; of the stacks the frames in files ``of``.

        Raises InvalidOption on Windows, for which there is no memray.
        """
        if sys.platform == "win32":
            raise InvalidOption("memray does not exist for Windows.", advice="leave this cell out.")

        async def left(server: Server) -> list[Allocations]:
            with tempfile.TemporaryDirectory() as folder:
                file = f"{folder}/allocations.bin"
                await _ask(server, "memray_start", file=file)
                await self._visits(server)
                await _ask(server, "memray_stop")
                records = await asyncio.to_thread(_not_given_back, file)
            return [Allocations(_frames(r["stack_trace"], of), int(r["size"]) / self.visits / 1e6) for r in records]

        return await self._all(left)

    async def _visits(self, server: Server) -> None:
        await visit_together(server, self.visits)
        await asyncio.to_thread(emptied, server)

    async def _all(self, look: Callable[[Server], Awaitable[Any]]) -> dict[str, Any]:
        answers = await asyncio.gather(*map(look, self.servers.values()))
        return dict(zip(self.servers, answers, strict=True))


async def _ask(server: Server, name: str, **arguments: str):
    def ask():
        address = f"{server.origin}/leak_tools/{name}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(address, timeout=SLOWEST) as page:
            return json.load(page)

    return await asyncio.to_thread(ask)


def _not_given_back(file: str) -> list[dict[str, str]]:
    """The allocations that were never freed, as memray's own command lists them."""
    command = ["memray", "transform", "csv", "--leaks", "--output", f"{file}.csv", file]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    with Path(f"{file}.csv").open(newline="") as table:
        return sorted(csv.DictReader(table), key=lambda record: -int(record["size"]))


def _frames(stack: str, of: tuple[str, ...]) -> tuple[str, ...]:
    """``function in file`` for the frames in the files ``of``.

    memray writes a stack as ``function;file;line|…``, and an empty one for what no line of Python has asked for.
    """
    frames = [frame.split(";") for frame in stack.split("|") if frame]
    named = [(function, PurePath(file).name) for function, file, _ in frames]
    return tuple(f"{function} in {file}" for function, file in named if file in of and function != "<listcomp>")
