"""Amounts of memory, as people write them."""

from __future__ import annotations

import math
import re

from sessionlab.errors import InvalidOption

UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
SIZE = re.compile(r"\s*(\d*\.?\d+(?:e\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def read_size(text: str | float, least: int = 1) -> int:
    """Bytes, of a number or of a text such as ``"800 MB"`` or ``"2 GiB"``.

    Raises InvalidOption for what is no size, and for less than ``least`` bytes.
    """
    found = SIZE.fullmatch(str(text))
    if found and found[2].lower() in UNITS:
        size = float(found[1]) * UNITS[found[2].lower()]
        if least <= size < math.inf:
            return int(size)
    raise InvalidOption(f"{text!r} is no size.", advice='give bytes, or a text such as "800 MB" or "2 GiB".')


def show_size(number: float) -> str:
    """Bytes as a reader says them: ``912 B``, ``12.4 KB``, ``1.3 MB``, ``2 GB``."""
    if abs(number) >= 1e9:
        return f"{number / 1e9:.3g} GB"
    for unit, factor in (("MB", 1e6), ("KB", 1e3)):
        if abs(number) >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} B"
