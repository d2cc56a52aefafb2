"""What the culprits of a leak do not account for: a report has to add up, or say what is missing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sessionlab.leaks.result import Batch
from sessionlab.sizes import show_size

ENOUGH = 0.8  # of what was counted: the rest is what tables double and allocators round up
STOPPED = 0.5  # of the first window's rate: most of the rest came once


def unexplained(size: float, named: float, least: float, batches: Sequence[Batch]) -> str:
    """A sentence on the bytes a session that hang on no culprit; empty if they are few.

    Parameters
    ----------
    size, named : bytes that each session left, and those of them that the culprits hold.
    least : the smallest growth that could have been seen.
    batches : the measurements, in their order.
    """
    rest = size - named
    if rest < least or named >= ENOUGH * size:
        return ""
    said = f"{show_size(rest)} of the {show_size(size)} a session hang on nothing that is named here"
    first, last = (_rate(batches, end(batch.window for batch in batches)) for end in (min, max)) if batches else (0, 0)
    if first > 0 and last - named < STOPPED * (first - named):
        number = sum(batch.sessions for batch in batches if batch.window < max(b.window for b in batches))
        return f"{said}: most of them came within {number} sessions, and fewer have come since."
    return f"{said}, and as many come with every session."


def _rate(batches: Sequence[Batch], window: int) -> float:
    """Bytes a session in a window, as its typical batch has it."""
    return statistics.median([batch.bytes or 0.0 for batch in batches if batch.window == window])
