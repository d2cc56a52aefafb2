"""Other people's tools, each used on a served application the way its own documentation recommends.

`run.py` serves the application and sends the same visits as the hunter: 12 to warm up, then windows of 24 and 36,
every session discarded after it. A module of this package is loaded in the server by `served.py` and has a ``Peer``:
``begin()`` after the warm-up, ``window(sessions)`` after each window, which answers with the tool's own numbers.
``decide(windows, blank)`` then gives the verdict; ``RULE`` says how, for most of these tools have numbers and no
verdict. ``blank`` are the same tool's windows on a blank application, so that what Panel itself keeps is not held
against anybody.
"""

from __future__ import annotations

FLOOR = 512.0  # bytes a session that are not told from nothing


def over_blank(windows: list[dict], blank: list[dict], floor: float = FLOOR) -> bool:
    """Whether in every window a session left more bytes than on the blank application and the floor."""
    zeros = [window["bytes"] for window in blank] or [0.0] * len(windows)
    return all(window["bytes"] > zero + floor for window, zero in zip(windows, zeros, strict=True))


def bytes_decision(windows: list[dict], blank: list[dict]) -> dict:
    """The verdict by bytes; the size is that of the newest window, less the blank application's."""
    zero = blank[-1]["bytes"] if blank else 0.0
    return {
        "verdict": "leak" if over_blank(windows, blank) else "clean",
        "bytes": windows[-1]["bytes"] - zero,
        "said": windows[-1]["said"],
    }
