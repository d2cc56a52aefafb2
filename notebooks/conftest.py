"""The notebooks under test: nobody's progress is touched, a busy machine is no failure, what is missing is told."""

import os
import tempfile

import pytest
from nbval.plugin import NbCellError

from sessionlab.client.browser import find_chromium
from sessionlab.errors import NoBrowser
from sessionlab.nginx import find_nginx

folder = tempfile.TemporaryDirectory(prefix="sessionlab-")

# the kernels inherit both
os.environ.setdefault("SESSIONLAB_PROGRESS", os.path.join(folder.name, "progress.json"))
os.environ.setdefault("SESSIONLAB_PATIENCE", "2")


COLD = {"06"}  # chapters that measure the memory of servers of their own: they start as they do in production


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """The servers of a chapter are forked out of a process that has imported Panel: a start is most of their work."""
    with pytest.MonkeyPatch.context() as patch:  # a kernel starts with the first cell, and keeps what it finds then
        patch.setenv("SESSIONLAB_PRELOAD", "0" if item.path.name[:2] in COLD else "1")
        return (yield)


def lacks(source: str, said: str) -> str:
    """What a cell needs that this machine lacks, so that it showed a recording; in CI there has to be all of it."""
    if os.environ.get("CI"):
        return ""
    if "@behind_nginx(" in source and not find_nginx():
        return "nginx"
    if "This was recorded with" in said:
        try:
            find_chromium()
        except NoBrowser:
            return "Chromium"
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A cell that showed its recording was not tested: it is skipped, and listed."""
    said, result = "", None
    try:
        result = yield
    except NbCellError as error:
        said = str(error.inner_traceback)
        if not lacks(item.cell.source, said):
            raise
    if missing := lacks(item.cell.source, said):
        pytest.skip(f"there is no {missing} on this machine: the recording was shown")
    return result


def pytest_unconfigure():
    folder.cleanup()
