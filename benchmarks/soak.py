"""Two hundred visitors with bad luck, behind nginx, for as long as you like; and what the server owed them.

    python benchmarks/soak.py [--minutes 30] [--visitors 200] [--json]        (or: make soak MINUTES=30)

Each visitor opens a page, clicks, has the wire cut for a moment or for longer than a session lives, reloads, leaves and
comes back. Meanwhile every wire is cut at once now and then, and the first of the two servers is killed or asked to end
(SIGTERM) and started again. The second one lives through all of it: its memory tells whether anything stays behind.

What is counted: clicks that the server had taken from a connected page and did not show; reconnects that found another
session than they had to, or told the user so; sessions and blocks that are left when everybody has gone; destroy hooks
that did not run, but for those of a killed process; and the slope of the memory. Exit code 1 if anything is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from fleet import Fleet
from soak_visitor import PATIENCE, Books, Pace, Visitor

from sessionlab import visit
from sessionlab.errors import SessionLabError

APP = Path(__file__).parent / "apps" / "soak" / "soak.py"


@dataclass(frozen=True)
class Soak:
    """What a soak counted. ``wrong`` holds a sentence for each wrong outcome; ``ok`` is the verdict."""

    minutes: float
    visitors: int
    did: dict[str, int]
    happened: dict[str, int]
    outcomes: dict[str, int]
    lost_clicks: int
    lost_jobs: int
    wrong: tuple[str, ...]
    surviving_sessions: int
    surviving_blocks: int
    sessions: int
    hooks_missed: int
    hooks_of_killed: int
    hook_failures: int
    evicted: int  # sessions ended before their lifetime by a limit
    nginx: dict[str, int]  # what nginx complained of
    memory_slope: float  # MB an hour in the last two thirds, of the server that was never ended
    memory: tuple[tuple[float, float], ...]  # seconds, MB
    stayed: int  # sessions that this server built
    left_behind: dict[str, int]  # what it had more of at the end than at the beginning, by kind

    @property
    def ok(self) -> bool:
        return not (
            self.lost_clicks
            or self.lost_jobs
            or self.wrong
            or self.surviving_sessions
            or self.surviving_blocks
            or self.hooks_missed
            or self.hook_failures
            or self.evicted
            or self.left_behind.get("documents", 0) > max(2, self.stayed / 100)
        )

    def __str__(self) -> str:
        def listed(counts: dict[str, int]) -> str:
            return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"

        return "\n".join([
            f"{self.visitors} visitors, {self.minutes:.1f} minutes, {self.sessions} sessions",
            f"visitors did:           {listed(self.did)}",
            f"happened to them:       {listed(self.happened)}",
            f"reconnects:             {listed(self.outcomes)}",
            f"lost while connected:   {self.lost_clicks} of {self.did.get('clicks', 0)} clicks, {self.lost_jobs} jobs",
            f"wrong outcomes:         {len(self.wrong)}",
            *(f"    {sentence}" for sentence in self.wrong[:10]),
            f"left when all had gone: {self.surviving_sessions} sessions, {self.surviving_blocks} blocks",
            f"evicted by a limit:     {self.evicted}",
            f"hooks missed:           {self.hooks_missed} of {self.sessions - self.hooks_of_killed}; "
            f"{self.hook_failures} failed; {self.hooks_of_killed} sessions were killed with their process",
            f"nginx says:             {listed(self.nginx)}",
            f"memory slope:           {self.memory_slope:+.1f} MB an hour",
            f"left in that server:    {listed(self.left_behind)}, after {self.stayed} sessions",
        ])  # fmt: skip

    def to_dict(self) -> dict:
        return {**asdict(self), "ok": self.ok}


class SoakFleet(Fleet):
    """Servers that keep a book of the sessions which they build and end."""

    def __init__(self, folder: Path, pace: Pace):
        self.book = folder / "book"
        env = {
            "BOKEH_SECRET_KEY": "soak",
            "SOAK_BOOK": str(self.book),
            "SOAK_LINGER": str(pace.lifetime / 6),
        }
        super().__init__(APP, env, lifetime=pace.lifetime, check=pace.check, token_expiration=86400)

    def sessions(self) -> list:
        return [session for server in self.servers for session in server.probe.sessions()]

    def noted(self, word: str) -> Counter[str]:
        lines = [line.split() for line in self.book.read_text().splitlines()]
        return Counter(number for said, number in lines if said == word)


async def disturb(fleet: SoakFleet, pace: Pace, chance: random.Random, books: Books, ends: float) -> None:
    """What happens to everybody. The first three are certain, however short the run is."""
    first = ["kills", "cuts of every wire", "orderly ends"]
    while first or time.monotonic() < ends:
        await asyncio.sleep(pace.disturb * (0.3 if first else chance.uniform(0.3, 1.7)))
        what = first.pop(0) if first else chance.choice(["kills", "cuts of every wire", "orderly ends", "orderly ends"])
        books.happened[what] += 1
        if what == "cuts of every wire":
            await asyncio.to_thread(fleet.wire.cut, chance.choice(["fin", "rst"]))
        else:
            await asyncio.to_thread(fleet.replace, 0, signal.SIGKILL if what == "kills" else signal.SIGTERM)
    books.over = True


async def watch_memory(fleet: SoakFleet, books: Books, begin: float) -> None:
    process = psutil.Process(fleet.servers[1].pid)
    while True:
        books.memory.append((time.monotonic() - begin, process.memory_info().rss / 1e6))
        await asyncio.sleep(5)


async def soak(seconds: float, visitors: int, pace: Pace, seed: int = 1) -> Soak:
    """Run it. Raises SessionLabError if it cannot be started; nothing is left behind."""
    chance, books = random.Random(seed), Books()
    with tempfile.TemporaryDirectory() as folder:
        fleet = await asyncio.to_thread(SoakFleet, Path(folder), pace)
        try:
            return await _soak(fleet, seconds, visitors, pace, chance, books)
        finally:
            await asyncio.to_thread(fleet.close)


async def _soak(fleet: SoakFleet, seconds, visitors, pace, chance, books) -> Soak:
    stays = fleet.servers[1]
    for _ in range(5):  # what the first visits load stays for good
        async with visit(stays.url):
            pass
    await asyncio.to_thread(stays.probe.discard_unused)
    before = await asyncio.to_thread(stays.probe.census, settle=True)
    begin = time.monotonic()
    ends = begin + seconds
    watching = asyncio.create_task(watch_memory(fleet, books, begin))
    async with asyncio.TaskGroup() as group:
        group.create_task(disturb(fleet, pace, chance, books, ends))
        for _ in range(visitors):
            group.create_task(Visitor(fleet, pace, random.Random(chance.random()), books).live())
    watching.cancel()
    minutes = (time.monotonic() - begin) / 60

    # Everybody has gone: what is left when every session has had the time to end?
    deadline = time.monotonic() + 1.5 * pace.lifetime + 2 * pace.check + 30
    while (sessions := await asyncio.to_thread(fleet.sessions)) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(min(1.0, pace.check))
    after = await asyncio.to_thread(stays.probe.census, settle=True)
    grown = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("documents", "models", "parameterized", "threads", "tasks", "periodic", "objects")
    }
    failures = sum([metric(server, "hook_failures_total") for server in fleet.servers])
    evicted = sum([metric(server, "evicted_total") for server in fleet.servers])
    for server in fleet.servers:  # in an orderly way: what is left has a last chance to run its hooks
        server.kill(signal.SIGTERM)
    for server in fleet.servers:
        await asyncio.to_thread(server.wait, 40)
    born, hooks = fleet.noted("born"), fleet.noted("hook")
    killed = {number for number in born if int(number.partition("-")[0]) in fleet.killed and not hooks[number]}
    return Soak(
        minutes=minutes, visitors=visitors, did=dict(books.did), happened=dict(books.happened),
        outcomes=dict(books.outcomes), lost_clicks=books.lost_clicks, lost_jobs=books.lost_jobs,
        wrong=tuple(books.wrong), surviving_sessions=len(sessions), surviving_blocks=sum(s.blocks for s in sessions),
        sessions=len(born), hooks_missed=sum(hooks[number] != 1 for number in born if number not in killed),
        hooks_of_killed=len(killed), hook_failures=failures, evicted=evicted, nginx=_complaints(fleet.nginx.log.lines),
        memory_slope=_slope(books.memory),
        memory=tuple(books.memory), stayed=after.created - before.created,
        left_behind={name: count for name, count in grown.items() if count},
    )  # fmt: skip


def _complaints(lines: list[str]) -> dict[str, int]:
    """What stands in the log of nginx, by its kind; a client that went away is no complaint."""
    said = [
        match[1] for line in lines if (match := re.search(r"\[(?:error|crit|alert)\].*?: \*\d+ (.*?), client", line))
    ]
    return dict(Counter(said).most_common(6))


def metric(server, name: str) -> int:
    """What the server itself has counted, all labels together."""
    with urllib.request.urlopen(f"{server.origin}/metrics", timeout=PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(f"sessionlab_{name}")))


def _slope(memory: list[tuple[float, float]]) -> float:
    """MB an hour, by least squares over the last two thirds."""
    points = memory[len(memory) // 3 :]
    if len(points) < 3:
        return 0.0
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    spread = sum((a - x) ** 2 for a, _ in points)
    return 3600 * sum((a - x) * (b - y) for a, b in points) / spread


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--faster", type=float, default=1, help="divide every duration but --minutes by this")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, and nothing else")
    arguments = parser.parse_args()
    try:
        result = asyncio.run(soak(60 * arguments.minutes, arguments.visitors, Pace().faster(arguments.faster)))
    except SessionLabError as error:
        print(error, file=sys.stderr)
        return 3
    print(json.dumps(result.to_dict(), indent=2) if arguments.json else result)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
