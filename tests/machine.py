"""What the tests ask this machine: is a process alive, is there a browser."""

from __future__ import annotations

import os

import bokeh
import psutil
import pytest

OF_3_9 = tuple(map(int, bokeh.__version__.split(".")[:2])) >= (3, 9)
shows_again = pytest.mark.skipif(not OF_3_9, reason="with Bokeh 3.8 texts stay hidden in a page's new session")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> set[int]:
    """The processes that this one and its own have started, and that are alive."""
    return {process.pid for process in psutil.Process().children(recursive=True) if alive(process.pid)}


def browser_or_skip() -> None:
    """Skip what needs a browser where there is none, and fail in CI, where there has to be one."""
    from sessionlab.client.browser import find_chromium
    from sessionlab.errors import NoBrowser, WrongBrowserPath

    try:
        find_chromium()
    except NoBrowser as missing:
        if os.environ.get("CI") or isinstance(missing, WrongBrowserPath):
            raise
        pytest.skip(str(missing))
