"""A load test as a page for people who were not there, in the design of hunts and audits."""

from __future__ import annotations

import base64
import os

from sessionlab import pages
from sessionlab.capacity.result import Load, shown_ms
from sessionlab.sizes import show_size


def page(result: Load) -> str:
    """The result as one HTML file, with the picture in it."""
    fits = bool(result.advice.live)
    headline = f"A gigabyte holds {result.per_gigabyte} sessions" if fits else "Not one session fits"
    return pages.render(
        "load",
        result=result,
        headline=headline,
        tone="pass" if fits else "fail",
        size=show_size,
        ms=shown_ms,
        picture=base64.b64encode(result.png()).decode(),
    )


def write_page(result: Load, file: str | os.PathLike) -> None:
    """Write the page into ``file``. Raises OSError."""
    pages.write(page(result), os.fspath(file))
