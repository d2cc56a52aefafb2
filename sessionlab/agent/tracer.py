"""Which line of the application put it there: watch the places that grow while a few visitors come.

Runs in the served process: standard library only. A trace function follows the lines of the application's own
files, and only those. After each line it looks whether a watched place has gained something, which is then
that line's doing, or that of something it called. A visit takes a few times as long so. A line that has run very
often, in a loop, is not looked at any more: what it adds later is found when the loop is left.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable

from sessionlab.agent.census import heap_in_use
from sessionlab.agent.where import is_app_file, shown

OFTEN = 300  # times that a line is looked at; a loop over a table would take minutes otherwise


class Tracer:
    """Lines by the name of the place that gained something there.

    Parameters
    ----------
    places : name -> two functions: a number that rises when the place gains something, and the id of what it
        gained last (or 0). Only what is there to the end is counted.
    running : gives the threads, tasks and timers that there are, by id; those are found without being asked for.
    label : what one of them is called.
    """

    def __init__(self, places: dict[str, tuple], running: Callable[[], dict[int, object]], label: Callable):
        self._lines: dict[str, list[tuple[str, int]]] = collections.defaultdict(list)
        self.heap: collections.Counter = collections.Counter()  # line -> bytes that were there after it, less before
        self._places, self._label, self._now_running = places, label, running
        self._ran: collections.Counter = collections.Counter()  # (code, line or event) -> how often
        self._seen = {name: look() for name, (look, _, _) in places.items()}
        self._running = set(running())
        self._heap = heap_in_use() or 0

    def start(self) -> None:
        """Follow this thread: the event loop's."""
        sys.settrace(self._enter)

    def stop(self) -> dict[str, list[str]]:
        """The lines by name, the most frequent first."""
        sys.settrace(None)
        running, found = set(self._now_running()), {}
        for name, noted in self._lines.items():
            there = self._places[name][2]() if name in self._places else running
            stayed = collections.Counter(line for line, gained in noted if gained in there or not gained)
            if stayed:
                found[name] = [line for line, _ in stayed.most_common(3)]
        return found

    def _enter(self, frame, event, arg):
        code = frame.f_code
        if not is_app_file(code.co_filename):
            return None
        if self._often(code, "call"):
            return None
        self._look("")  # what came before was not the application's
        line = frame.f_lineno

        def follow(frame, event, arg):
            nonlocal line
            entered = "return" if event == "return" else frame.f_lineno
            if not (self._often(code, entered) and self._ran[code, line] > OFTEN):  # not in the midst of a long loop
                self._look(f"{shown(code.co_filename)}:{line}")
            line = frame.f_lineno
            return follow

        return follow

    def _often(self, code, what: int | str) -> bool:
        self._ran[code, what] += 1
        return self._ran[code, what] > OFTEN

    def _look(self, line: str) -> None:
        for name, (look, newest, _) in self._places.items():
            try:
                now = look()
                if now > self._seen[name] and line:
                    self._lines[name].append((line, newest()))
                self._seen[name] = now
            except RuntimeError:  # the place changes while it is looked at, in another thread
                continue
        running = self._now_running()
        if line:
            for number in running.keys() - self._running:
                self._lines[self._label(running[number])].append((line, number))
        self._running = set(running)
        heap = heap_in_use() or 0
        if line:
            self.heap[line] += heap - self._heap
        self._heap = heap
