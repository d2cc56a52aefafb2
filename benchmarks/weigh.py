"""What a session of an application leaves, weighed the slow way: the truth that the hunter's sizes are held against.

    python benchmarks/weigh.py benchmarks/apps/leaky/watcher.py …

The server runs with ``PYTHONMALLOC=malloc``, so that the C library accounts for every object; after each of six
batches all sessions are discarded and the garbage is collected. The growth a session is the median over the batches
after the first, less that of a blank application. Nothing of the hunter takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from pathlib import Path

from sessionlab import serve
from sessionlab.client.scenario import Scenario

BLANK = Path(__file__).resolve().parent / "apps" / "innocent" / "blank.py"
BATCHES, TOGETHER = 7, 4


async def _visits(url: str, number: int) -> None:
    scenario, left = Scenario.default(), iter(range(number))

    async def visitor():
        for _ in left:
            await scenario.visit(url, 0.0)

    await asyncio.gather(*(visitor() for _ in range(TOGETHER)))


def _discard(probe) -> None:
    while probe.sessions():
        probe.discard_unused()


def growth(app: Path, batch: int) -> float:
    """Bytes a session."""
    rates, before = [], None
    with serve(app, framework="panel", env={"PYTHONMALLOC": "malloc"}) as server:
        server.probe.timeout = 60.0
        for _ in range(BATCHES + 1):
            asyncio.run(_visits(server.url, batch))
            _discard(server.probe)
            after = server.probe.census(settle=True)
            if before is not None:
                rates.append((after.heap - before.heap) / (after.created - before.created))
            before = after
    return statistics.median(rates[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("apps", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=24, help="sessions a batch")
    options = parser.parse_args()
    zero = growth(BLANK, options.batch)
    print(f"a blank application: {zero:.0f} bytes a session")
    for app in options.apps:
        print(f"{app.stem}: {growth(app, options.batch) - zero:.0f}", flush=True)


if __name__ == "__main__":
    main()
