"""One page, several processes: how often the application is run twice, and how often a reconnect finds its state.

    python benchmarks/affinity.py [--visits 40] [--record]

The same application is served by one process, by `--num-procs` of two and four, and by two and four servers behind a
real nginx: in turn, as nginx does by default, and with the cookie of `deploy/nginx.conf`. Each visitor opens a page,
clicks, loses the wire and is back at once. Without an nginx on the machine its rows are left out. `--record` keeps the
shares for chapter 08 in `data/recordings/affinity.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sessionlab import serve
from sessionlab.course.proxied import Affinity, affinity
from sessionlab.course.versions import versions
from sessionlab.nginx import ROUND_ROBIN, Nginx, find_nginx

ROOT = Path(__file__).parents[1]
CONF = ROOT / "deploy" / "nginx.conf"
RECORDING = ROOT / "data" / "recordings" / "affinity.json"
APP = """
    import panel as pn

    count = pn.widgets.IntInput(label="count", value=0)
    add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))
    pn.Row(add, count).servable()
"""


@dataclass(frozen=True)
class Row:
    """One arrangement, and what became of the visits."""

    arrangement: str
    processes: int
    seen: Affinity


@contextlib.contextmanager
def one_server(processes: int) -> Iterator[tuple[str, list]]:
    with _written() as app, serve(app, lifetime=600, panel_args=["--num-procs", processes]) as server:
        yield server.url, [server]


@contextlib.contextmanager
def behind_nginx(processes: int, replaced: dict[str, str]) -> Iterator[tuple[str, list]]:
    with _written() as app, contextlib.ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            starting = [pool.submit(serve, app, lifetime=600) for _ in range(processes)]
            servers = [stack.enter_context(each.result()) for each in starting]
        nginx = stack.enter_context(Nginx(CONF, servers, replaced))
        yield nginx.url, servers


@contextlib.contextmanager
def _written() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        app.write_text(textwrap.dedent(APP))
        yield app


ARRANGEMENTS: list[tuple[str, int, Callable]] = [
    ("one process", 1, lambda: one_server(1)),
    ("--num-procs", 2, lambda: one_server(2)),
    ("--num-procs", 4, lambda: one_server(4)),
    ("nginx, in turn", 2, lambda: behind_nginx(2, ROUND_ROBIN)),
    ("nginx, in turn", 4, lambda: behind_nginx(4, ROUND_ROBIN)),
    ("nginx, cookie", 2, lambda: behind_nginx(2, {})),
    ("nginx, cookie", 4, lambda: behind_nginx(4, {})),
]


async def measure(arrangement: str, processes: int, start: Callable, visits: int) -> Row:
    """Send the visitors, one after another, to an arrangement that is started for them."""
    with start() as (url, servers):
        return Row(arrangement, processes, await affinity(url, servers, visits))


def table(rows: list[Row]) -> str:
    head = f"{'':<16}{'processes':>10}{'app run twice':>16}{'state found':>14}"
    lines = []
    for row in rows:
        twice, found = row.seen.twice / row.seen.visits, row.seen.found / row.seen.visits
        lines.append(f"{row.arrangement:<16}{row.processes:>10}{twice:>16.0%}{found:>14.0%}")
    return "\n".join([head, *lines])


def recording(rows: list[Row], visits: int) -> str:
    """The table as JSON, shares in percent, with the versions it holds for."""
    shares = [
        {
            "way": row.arrangement,
            "processes": row.processes,
            "twice": f"{row.seen.twice / visits:.0%}",
            "found": f"{row.seen.found / visits:.0%}",
        }
        for row in rows
    ]
    what = (
        f"python benchmarks/affinity.py --record: of {visits} visits each, how many ran the app twice, and how many "
        "found their state again."
    )
    return json.dumps({"what": what, "versions": versions(), "visits": visits, "rows": shares}, indent=2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=40)
    parser.add_argument("--record", action="store_true", help=f"write {RECORDING.name}")
    arguments = parser.parse_args()
    chosen = [each for each in ARRANGEMENTS if find_nginx() or not each[0].startswith("nginx")]
    rows = [asyncio.run(measure(*each, arguments.visits)) for each in chosen]
    print(table(rows))
    if arguments.record:
        RECORDING.write_text(recording(rows, arguments.visits), encoding="utf-8")


if __name__ == "__main__":
    main()
