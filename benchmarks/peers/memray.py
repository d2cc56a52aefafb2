"""memray's leak report: what was allocated while it tracked and not freed before it stopped.

Its documentation asks for ``trace_python_allocators`` (or ``PYTHONMALLOC=malloc``) when looking for leaks, so that
freed memory which Python's own allocator keeps for later does not look leaked. One tracker a window.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import memray

from peers import bytes_decision

RULE = "a leak if in both windows over 512 B a session more was not freed than on a blank application"
decide = bytes_decision


class Peer:
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="memray-")
        self._start(0)

    def _start(self, number: int) -> None:
        self.file = Path(self.folder.name) / f"window{number}.bin"
        self.tracker = memray.Tracker(self.file, trace_python_allocators=True)
        self.tracker.__enter__()

    def window(self, sessions: int) -> dict:
        self.tracker.__exit__(None, None, None)
        total, by_line = 0, {}
        with memray.FileReader(self.file) as reader:
            for record in reader.get_leaked_allocation_records(merge_threads=True):
                total += record.size
                if trace := record.stack_trace(max_stacks=1):
                    _, file, line = trace[0]
                    by_line[f"{file}:{line}"] = by_line.get(f"{file}:{line}", 0) + record.size
        self.file.unlink()
        worst = sorted(by_line, key=by_line.get, reverse=True)[:3]
        self._start(1)
        said = "; ".join(f"{line} {by_line[line] / sessions:.0f} B" for line in worst)
        return {"bytes": total / sessions, "said": said}
