"""guppy3 (heapy): ``setrelheap()``, then ``heap()`` shows what came since; ``shpaths`` how it is reached.

That is the recipe of its documentation for leaks. The heap is relative to the begin of each window.
"""

from __future__ import annotations

import re

from guppy import hpy

from peers import bytes_decision

RULE = "a leak if in both windows heap() holds over 512 B a session more than on a blank application"
decide = bytes_decision


class Peer:
    def begin(self) -> None:
        self.heapy = hpy()
        self.heapy.setrelheap()

    def window(self, sessions: int) -> dict:
        heap = self.heapy.heap()
        said = []
        for place in range(2):
            try:
                row = heap[place]
            except IndexError:
                break
            said.append(f"{row.size / sessions:.0f} B of {str(row.kind).splitlines()[0]}: {paths(row)}")
        answer = {"bytes": heap.size / sessions, "said": "; ".join(said)}
        del heap
        self.heapy.setrelheap()
        return answer


def paths(row) -> str:
    """The shortest paths to the largest object of a row of the heap."""
    try:
        said = " ".join(str(row.byid[0].shpaths).split())
        return re.sub(r"hpy\(\)\.Root\.i0_modules\['(.+?)'\]|\.__dict__\['(.+?)'\]", _plain, said)[:300]
    except Exception as error:  # heapy cannot follow every kind of object
        return type(error).__name__


def _plain(found: re.Match) -> str:
    return found[1] or f".{found[2]}"
