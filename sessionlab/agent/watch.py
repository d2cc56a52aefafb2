"""Seconds that were watched: what waits for something gives up after so many of them, however slow the machine is.

Runs in the lab and in the served process: standard library only. A machine that stands still for some seconds lets
nobody work meanwhile, and what is waited for has had no time either.
"""

from __future__ import annotations

import time

LOOKS = 0.1  # seconds between two looks, at most: what a longer gap has more is not counted


class Watch:
    """Counts the ``seconds`` between looks; more than `LOOKS` between two of them count as that."""

    def __init__(self) -> None:
        self.seconds, self._looked = 0.0, time.monotonic()

    def look(self) -> float:
        """The seconds that were watched until now."""
        now = time.monotonic()
        self.seconds += min(LOOKS, now - self._looked)
        self._looked = now
        return self.seconds
