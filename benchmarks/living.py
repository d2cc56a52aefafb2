"""Does a session that stays open grow? The apps of `apps/living`, each looked at once, as a table.

python benchmarks/living.py          all of them
python benchmarks/living.py ring     one

The first comment of an app says who holds what grows (``holder``, a regular expression) and ``by`` what it grows.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sessionlab.client.scenario import Scenario
from sessionlab.leaks.living import live
from sessionlab.leaks.result import Live
from sessionlab.leaks.visitors import Visitors
from sessionlab.server import serve

APPS = Path(__file__).parent / "apps" / "living"
UNITS = {"event": "per_event", "time": "per_minute"}


@dataclass(frozen=True)
class Looked:
    """What was found in an app, in how many seconds, and whether that is true."""

    app: Path
    found: Live
    seconds: float
    notes: tuple[str, ...]

    @property
    def right(self) -> bool:
        if self.app.parent.name == "steady":
            return self.found.verdict == "steady"
        truth = dict(re.findall(r"^# (holder|by): (.+)", self.app.read_text(), re.MULTILINE))
        named = any(re.search(truth["holder"], culprit.holder) for culprit in self.found.culprits)
        other = next(rate for unit, rate in UNITS.items() if unit != truth["by"])
        return self.found.verdict == "grows" and named and not any(getattr(self.found, other).values())

    def __str__(self) -> str:
        sizes = (f"{rate['bytes']:.0f} B, {rate['objects']:.1f} objects" for rate in self._rates())
        names = ", ".join(f"`{culprit.holder}` ({culprit.location})" for culprit in self.found.culprits) or "–"
        cells = [self.app.stem, self.found.verdict, *sizes, names, f"{self.seconds:.1f}", "yes" if self.right else "NO"]
        return f"| {' | '.join(cells)} |"

    def _rates(self):
        return self.found.per_event, self.found.per_minute


def look(app: Path) -> Looked:
    """Look at one app, on a server of its own."""
    notes: list[str] = []
    with serve(app, preload=False) as server:
        server.probe.timeout = 30.0
        server.probe.extend("retainers")
        began = time.monotonic()
        found = live(Visitors(server, Scenario.default(), began + 90, notes), began + 90, notes)
        return Looked(app, found, time.monotonic() - began, tuple(notes))


def main(names: list[str]) -> int:
    heads = ["app", "verdict", "an event adds", "a minute adds", "who holds it", "seconds", "right"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    wrong = 0
    for app in sorted(APPS.glob("*/*.py")):
        if not names or app.stem in names:
            looked = look(app)
            wrong += not looked.right
            print(looked, flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
