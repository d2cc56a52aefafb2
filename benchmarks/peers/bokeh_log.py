"""Bokeh's own ``--mem-log-frequency``: memory and numbers of objects in the server's log, twice a second here.

The counts (``uncollected Documents`` and others) are printed at ``--log-level debug`` only. They include what is
alive by right, so they are read after every session has been discarded. Bokeh collects no garbage before it counts;
Panel does so within some seconds of a session's end, and the last line of a pause is taken.
"""

from __future__ import annotations

import re
import threading

RULE = (
    "a leak if in both windows one of its counts grew by an object in two sessions, "
    "or RSS by 20 KB a session more than on a blank application"
)
ARGUMENTS = ("--mem-log-frequency", "500", "--log-level", "debug")
LEAST, RSS_FLOOR, PAUSE = 0.5, 20_000, 14  # objects a session, bytes a session, lines to wait for
LINE = re.compile(r"uncollected (\w+): (\d+)|Memory usage: ([\d.]+) MB \(RSS\)")


def watch(server, visit, windows) -> list[dict]:
    found, before = [], read(server)
    for sessions in windows:
        visit(sessions)
        after = read(server)
        grew = {name: (after[name] - before.get(name, 0)) / sessions for name in after}
        found.append({"bytes": grew.pop("RSS") * 1e6, "counts": grew, "said": ""})
        before = after
    return found


def read(server) -> dict[str, float]:
    """The numbers of the newest lines, after a pause in which Panel's own collection runs."""
    pause = threading.Event()  # nobody sets it: it only waits
    seen = len(server.log.matching("Memory usage"))
    while server.alive and len(server.log.matching("Memory usage")) < seen + PAUSE:
        pause.wait(0.1)
    numbers = {}
    for line in server.log.lines[-200:]:
        for name, count, rss in LINE.findall(line):
            numbers[name or "RSS"] = float(count or rss)
    return numbers


def decide(windows: list[dict], blank: list[dict]) -> dict:
    zero = blank[-1]["bytes"] if blank else 0.0
    counted = any(all(w["counts"].get(name, 0) >= LEAST for w in windows) for name in windows[-1]["counts"])
    heavier = all(w["bytes"] > max(0.0, zero) + RSS_FLOOR for w in windows)
    grown = [f"{name} +{n:.1f}" for name, n in windows[-1]["counts"].items() if n >= LEAST]
    return {
        "verdict": "leak" if counted or heavier else "clean",
        "bytes": windows[-1]["bytes"] - zero,
        "said": f"RSS +{windows[-1]['bytes']:.0f} B {', '.join(grown)}",
    }
