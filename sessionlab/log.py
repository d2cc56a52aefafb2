"""The log of a served process: lines as they come, events of the launcher taken out."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from typing import BinaryIO

KEEP = 20_000  # lines; an app that writes a gigabyte of log must not fill the lab's memory
LONGEST = 1 << 16  # bytes of one line


class Log:
    """What a server wrote, oldest line first; only the newest 20,000 lines are kept.

    ``str(log)`` is the whole text, ``len(log)`` the number of lines kept, and iteration gives the lines.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEEP)
        self._events: list[dict] = []
        self._changed = threading.Condition()
        self._ended = False
        self.dropped = 0

    def follow(self, stream: BinaryIO) -> None:
        """Read ``stream`` to its end, in a thread that never prints."""
        threading.Thread(target=self._read, args=(stream,), name="sessionlab log", daemon=True).start()

    def _read(self, stream: BinaryIO) -> None:
        with stream:
            for raw in iter(lambda: stream.readline(LONGEST), b""):
                text, mark, event = raw.decode("utf-8", "replace").partition("\x1e")
                with self._changed:
                    if text.rstrip("\r\n"):
                        self.dropped += len(self._lines) == KEEP
                        self._lines.append(text.rstrip("\r\n"))
                    if mark:
                        self._events.append(json.loads(event))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def lines(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def matching(self, pattern: str) -> list[str]:
        """The lines in which the regular expression ``pattern`` is found."""
        return [line for line in self.lines if re.search(pattern, line)]

    def told(self, text: str, since: int = 0) -> list[str]:
        """The lines with that text after the first ``since`` lines, each from the text on."""
        with self._changed:
            lines = list(self._lines)[max(0, since - self.dropped) :]
        return [line[line.index(text) :] for line in lines if text in line]

    def wait_for(self, pattern: str, timeout: float = 10.0) -> str:
        """The first line in which ``pattern`` is found, waited for; ``TimeoutError`` after ``timeout`` seconds."""
        found = self._await(lambda: next((x for x in self._lines if re.search(pattern, x)), None), timeout)
        if found is None:
            raise TimeoutError(f"no line of the log matched {pattern!r} within {timeout:g} s")
        return found

    @property
    def written(self) -> int:
        """How many lines have been written so far."""
        with self._changed:
            return self.dropped + len(self._lines)

    def wait_for_next(self, text: str, since: int, timeout: float) -> tuple[str, int]:
        """The first line with ``text`` after the first ``since`` lines, waited for; and its place among all.

        ``TimeoutError`` after ``timeout`` seconds.
        """

        def found():
            skip = max(0, since - self.dropped)
            places = enumerate(list(self._lines)[skip:], self.dropped + skip + 1)
            return next(((line, place) for place, line in places if text in line), None)

        if (line := self._await(found, timeout)) is None:
            raise TimeoutError(f"no further line of the log had {text!r} within {timeout:g} s")
        return line

    def events(self, name: str) -> list[dict]:
        """What the launcher and the guard announced under ``name``."""
        with self._changed:
            return [event for event in self._events if event["event"] == name]

    def wait_for_event(self, *names: str, timeout: float, **values) -> dict | None:
        """The first event of one of ``names`` with these ``values``; None when the stream ended or time was up."""

        def found():
            return next((e for e in self._events if e["event"] in names and e.items() >= values.items()), None)

        return self._await(found, timeout)

    def wait_for_end(self, timeout: float) -> bool:
        """Whether everything that writes into this log is gone within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout)

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.lines[-lines:])

    def _await(self, look, timeout: float):
        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None and not self._ended:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
            return found if found is not None else look()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self):
        return iter(self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)
