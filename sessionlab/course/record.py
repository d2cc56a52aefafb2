"""Record what takes too long for a notebook cell: outages in a browser, lifetimes with the default flags.

    python -m sessionlab.course.record [NAME ...]

Each recording is one JSON file in ``data/recordings/``, with the versions it holds for. All of them take about two
minutes. What the cells of the chapters print is recorded too, by ``make notebooks``: see ``recorded.py``.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from sessionlab.client import visit
from sessionlab.client.browser import open_tab
from sessionlab.course.catalogue import APPS, ROOT
from sessionlab.course.versions import versions
from sessionlab.disturb import Outage
from sessionlab.server import serve

FOLDER = ROOT / "data" / "recordings"
LAST = "Click here"  # what the notice says when the page has stopped trying


async def backoff() -> dict:
    """The attempts to reconnect after a cut, in real time, until the page stops: times in seconds after the cut."""
    with serve(APPS["reconnect"].path) as server, Outage(server) as outage:
        async with open_tab(outage.url) as tab:
            first = len(tab.sockets)
            outage.refuse()
            await tab.wait_for(lambda: tab.toasts and LAST in tab.toasts[-1].text, timeout=60)
            cut = tab.sockets[first - 1].closed or 0.0
            return {
                "attempts": [round(attempt.at - cut, 2) for attempt in tab.sockets[first:]],
                "toasts": [{"at": round(toast.at - cut, 2), "text": toast.text} for toast in tab.toasts],
                "last_toast": tab.toasts[-1].text,
            }


async def lifetimes() -> dict:
    """Seconds from the disconnect to the end, with the default flags: forty users who leave at random moments."""
    dice = random.Random(3)

    async def leave(session):
        await asyncio.sleep(dice.uniform(0, 17))
        await session.close()

    with serve(APPS["hello"].path) as server:
        async with AsyncExitStack() as pages:
            sessions = [await pages.enter_async_context(visit(server.url)) for _ in range(40)]
            await asyncio.gather(*map(leave, sessions))
        while server.probe.sessions():
            await asyncio.to_thread(lambda: list(server.probe.follow(timeout=1)))
        frame = server.probe.timeline().frame().set_index("session")
        times = frame.time[frame.event == "destroyed"] - frame.time[frame.event == "disconnected"]
    low, middle, high = min(times), statistics.median(times), max(times)
    return {"sessions": len(times), "least": round(low, 1), "median": round(middle, 1), "most": round(high, 1)}


def needs() -> dict:
    """Which versions know how to reconnect: looked for in the published packages."""
    settings = {"panel": ("panel/config.py", "reconnect = param"), "bokeh": ("bokeh/document", "reconnect_session")}
    found = {}
    for package, version in (("panel", "1.7.5"), ("panel", "1.8.0"), ("bokeh", "3.7.3"), ("bokeh", "3.8.0")):
        where, words = settings[package]
        with tempfile.TemporaryDirectory() as folder:
            install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", folder]
            subprocess.run([*install, f"{package}=={version}"], check=True)
            place = Path(folder, where)
            files = [place] if place.is_file() else place.rglob("*.py")
            found[f"{package} {version}"] = any(words in path.read_text() for path in files)
    return {"can reconnect": found}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for record in (backoff, lifetimes, needs):
        if sys.argv[1:] and record.__name__ not in sys.argv[1:]:
            continue
        path = FOLDER / f"{record.__name__}.json"
        made = record()
        found: dict = asyncio.run(made) if asyncio.iscoroutine(made) else made
        recording = {"what": record.__doc__, "versions": versions(), **found}
        path.write_text(json.dumps(recording, indent=2) + "\n")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
