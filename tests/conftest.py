"""What several test modules share: small applications, and a look at the processes of this machine."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import psutil
import pytest

COUNTER = """
    import panel as pn

    pn.extension(notifications=True, reconnect=True)

    count = pn.widgets.IntInput(name="count", value=0)
    button = pn.widgets.Button(name="add one", on_click=lambda event: count.param.update(value=count.value + 1))
    pn.Column(pn.widgets.IntSlider(name="slider", end=10), button, count).servable()
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """`app(source, name="app.py")` writes an application into a folder of its own and gives its path."""

    def write(source: str = COUNTER, name: str = "app.py") -> Path:
        path = tmp_path_factory.mktemp("app") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return write


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def browser_or_skip() -> None:
    """Skip what needs a browser where there is none, and fail in CI, where there has to be one."""
    from sessionlab.errors import NoBrowser, WrongBrowserPath
    from sessionlab.visit.browser import find_chromium

    try:
        find_chromium()
    except NoBrowser as missing:
        if os.environ.get("CI") or isinstance(missing, WrongBrowserPath):
            raise
        pytest.skip(str(missing))
