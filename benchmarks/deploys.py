"""Ten rolling restarts, ten kills and a restart of Redis, under visitors who edit all the time. What do they lose?

    python benchmarks/deploys.py [--times 10] [--visitors 50] [--browsers 6] [--json] [--record]

Two servers behind nginx, which keeps a visitor at the server that she came to. The same application three times: as it
is, with `recover_inputs`, and with `persist` in a Redis. Some visitors sit before Chromium, the others speak the
protocol. Each edits about once a second, and notes when the server has taken it.

When a server has ended under her, the next session has to show what the server had taken 200 ms before or earlier.
Exit code 1 if one that `persist` had to keep is lost, wrong or another's. `--record` keeps the table for chapter 09 in
`data/recordings/deploys.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from deploys_visitor import Books, BrowserPage, ProtocolPage, Visitor
from fleet import PLUGIN, Fleet
from redis_server import Redis

from sessionlab.client.browser import Browser
from sessionlab.course.versions import versions
from sessionlab.errors import SessionLabError

APP = Path(__file__).parent / "apps" / "deploys" / "deploys.py"
RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "deploys.json"
WAYS = ("stock", "recover_inputs", "persist")


@dataclass(frozen=True)
class Row:
    """One way, and what became of its visitors. Times are seconds, None where nothing came back."""

    way: str
    edits: int
    sessions_lost: int
    values_due: int
    values_lost: int
    values_of_others: int
    values_wrong: int
    reloads: int
    back_p50: float | None
    back_p95: float | None
    kill_p50: float | None
    kill_p95: float | None
    restart_p50: float | None
    restart_p95: float | None

    @property
    def ok(self) -> bool:
        return self.values_due > 0 and not (self.values_lost or self.values_of_others or self.values_wrong)


class Servers(Fleet):
    """Two servers of the application, with one way of keeping values."""

    def __init__(self, way: str, store: str):
        env = {"BOKEH_SECRET_KEY": "deploys", "KEEP": way, "SESSIONLAB_STORE": store}
        args = ["--use-xheaders"] if way == "stock" else PLUGIN
        super().__init__(APP, env, args, lifetime=60, check=10, token_expiration=86400)


@contextlib.contextmanager
def servers(way: str) -> Iterator[tuple[Servers, Redis]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Redis(Path(folder)) as redis,
        contextlib.closing(Servers(way, redis.url)) as fleet,
    ):
        yield fleet, redis


async def disturb(fleet: Servers, redis: Redis, times: int, pause: float, books: Books) -> None:
    """What happens to everybody: each time a rolling restart and a kill; halfway, Redis restarts."""
    for number in range(times):
        for place in (0, 1):
            await asyncio.sleep(pause)
            await asyncio.to_thread(fleet.replace, place, signal.SIGTERM)
        await asyncio.sleep(pause)
        await asyncio.to_thread(fleet.replace, number % 2, signal.SIGKILL)
        if number == times // 2:
            await asyncio.sleep(pause)
            await asyncio.to_thread(redis.restart)
    await asyncio.sleep(pause)
    books.over = True


async def measure(way: str, times: int, visitors: int, browsers: int, pause: float) -> tuple[Row, list[str]]:
    """One way, with what was wrong in words."""
    chance, books = random.Random(1), Books()
    async with contextlib.AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser()) if browsers else None
        fleet, redis = await asyncio.to_thread(stack.enter_context, servers(way))
        pages = [BrowserPage(fleet.url, browser) for _ in range(browsers)]
        pages += [ProtocolPage(fleet.url, random.Random(chance.random())) for _ in range(visitors - browsers)]
        crowd = [
            Visitor(number, page, fleet, books, random.Random(chance.random()), 1.0)
            for number, page in enumerate(pages, 1)
        ]
        for visitor in crowd:
            await visitor.come()
        async with asyncio.TaskGroup() as group:
            group.create_task(disturb(fleet, redis, times, pause, books))
            for visitor in crowd:
                group.create_task(visitor.live())
    seconds = [*quantiles(books.back), *quantiles(books.restored["kill"]), *quantiles(books.restored["restart"])]
    counts = (books.edits, books.returns, books.due, books.lost, books.others, len(books.wrong), books.reloads)
    return Row(way, *counts, *seconds), books.wrong


def quantiles(seconds: list[float]) -> tuple[float | None, float | None]:
    """The 50th and the 95th percentile."""
    if len(seconds) < 2:
        return (seconds[0], seconds[0]) if seconds else (None, None)
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return cuts[9], cuts[18]


def table(rows: list[Row]) -> str:
    def time_of(*seconds: float | None) -> str:
        return " ".join("-" if s is None else f"{s:.2f}".rjust(6) for s in seconds).rjust(16)

    lines = [
        f"{'':<16}{'edits':>7}{'sessions':>10}{'values':>8}{'':>6}{'of':>8}{'':>7}{'':>9}{'a session':>16}"
        f"{'values after':>16}{'values after':>16}",
        f"{'':<16}{'taken':>7}{'ended':>10}{'due':>8}{'lost':>6}{'others':>8}{'wrong':>7}{'reloads':>9}{'again':>16}"
        f"{'a kill':>16}{'a restart':>16}",
        f"{'':<71}{'p50    p95':>16}{'p50    p95':>16}{'p50    p95':>16}",
    ]
    lines += [
        f"{row.way:<16}{row.edits:>7}{row.sessions_lost:>10}{row.values_due:>8}{row.values_lost:>6}"
        f"{row.values_of_others:>8}{row.values_wrong:>7}{row.reloads:>9}"
        f"{time_of(row.back_p50, row.back_p95)}{time_of(row.kill_p50, row.kill_p95)}"
        f"{time_of(row.restart_p50, row.restart_p95)}"
        for row in rows
    ]
    return "\n".join(lines)


def recording(rows: list[Row], times: int, visitors: int) -> str:
    """The rows as JSON, with the versions they hold for."""
    what = f"python benchmarks/deploys.py --record: {times} rolling restarts and as many kills, {visitors} visitors."
    content = {"what": what, "versions": versions(), "rows": [asdict(row) for row in rows], "text": table(rows)}
    return json.dumps(content, indent=2) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10, help="rolling restarts, and as many kills")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--browsers", type=int, default=6, help="how many of them have one")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two things that happen")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, and nothing else")
    parser.add_argument("--record", action="store_true", help=f"write {RECORDING.name}")
    arguments = parser.parse_args()
    rows, wrong = [], []
    try:
        for way in arguments.ways:
            begin = time.monotonic()
            row, said = asyncio.run(
                measure(way, arguments.times, arguments.visitors, arguments.browsers, arguments.pause)
            )
            rows.append(row)
            wrong += [f"{way}: {sentence}" for sentence in said]
            print(f"{way}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    except SessionLabError as error:
        print(error, file=sys.stderr)
        return 3
    if arguments.record:
        RECORDING.write_text(recording(rows, arguments.times, arguments.visitors), encoding="utf-8")
    print(
        json.dumps({"rows": [asdict(row) for row in rows], "wrong": wrong}, indent=2) if arguments.json else table(rows)
    )
    return 0 if all(row.ok for row in rows if row.way == "persist") else 1


if __name__ == "__main__":
    sys.exit(main())
