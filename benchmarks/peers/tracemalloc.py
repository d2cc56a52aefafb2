"""tracemalloc, of the standard library: two snapshots compared by line, as its documentation shows.

One frame a trace, which is its default and the quickest.
"""

from __future__ import annotations

import tracemalloc

from peers import bytes_decision

RULE = "a leak if in both windows the lines together gained over 512 B a session more than on a blank application"
decide = bytes_decision


class Peer:
    def begin(self) -> None:
        tracemalloc.start()
        self.before = tracemalloc.take_snapshot()

    def window(self, sessions: int) -> dict:
        after = tracemalloc.take_snapshot()
        own = [tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, __file__)]
        grown = after.filter_traces(own).compare_to(self.before.filter_traces(own), "lineno")
        self.before = after
        lines = [
            f"{d.traceback[0].filename}:{d.traceback[0].lineno} +{d.size_diff / sessions:.0f} B" for d in grown[:3]
        ]
        return {"bytes": sum(d.size_diff for d in grown) / sessions, "said": "; ".join(lines)}
