"""Record what a browser does in outages that are too long for a notebook cell.

    python -m sessionlab.course.record

Each recording is one JSON file in ``data/recordings/``, with the versions it holds for. It takes about a minute. What
the cells of the chapters print is recorded too, by ``make notebooks``: see ``recorded.py``.
"""

from __future__ import annotations

import asyncio
import json

from sessionlab.course.catalogue import APPS, ROOT
from sessionlab.course.versions import versions
from sessionlab.disturb import Outage
from sessionlab.serve import serve
from sessionlab.visit.browser import open_tab

FOLDER = ROOT / "data" / "recordings"
LAST = "Click here"  # what the notice says when the page has stopped trying


async def backoff() -> dict:
    """The attempts to reconnect after a cut, in real time, until the page stops: times in seconds after the cut."""
    with serve(APPS["reconnect"].path) as server, Outage(server) as outage:
        async with open_tab(outage.url) as tab:
            first = len(tab.sockets)
            outage.refuse()
            await tab.wait_for(lambda: tab.toasts and LAST in tab.toasts[-1].text, timeout=60)
            cut = tab.sockets[first - 1].closed
            return {
                "attempts": [round(attempt.at - cut, 2) for attempt in tab.sockets[first:]],
                "toasts": [{"at": round(toast.at - cut, 2), "text": toast.text} for toast in tab.toasts],
                "last_toast": tab.toasts[-1].text,
            }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for record in (backoff,):
        path = FOLDER / f"{record.__name__}.json"
        recording = {"what": record.__doc__, "versions": versions(), **asyncio.run(record())}
        path.write_text(json.dumps(recording, indent=2) + "\n")
        print(path.relative_to(ROOT), recording["attempts"])


if __name__ == "__main__":
    main()
