"""What chapter 06 makes of the answers of well-known tools."""

from __future__ import annotations

import sys

import pytest

from sessionlab.course.tools import Allocations, Line, Tools, _frames
from sessionlab.errors import InvalidOption


@pytest.mark.parametrize(
    ("stack", "frames"),
    [
        (
            "make;apps/feed.py;3|<listcomp>;apps/feed.py;3|<module>;apps/leaky.py;9",
            ("make in feed.py", "<module> in leaky.py"),
        ),
        ("run;lib/panel/app.py;1|go;lib/feed.py;2", ("go in feed.py",)),
        ("", ()),  # of what no line of Python has asked for
    ],
)
def test_frames_are_those_of_the_application(stack, frames):
    assert _frames(stack, ("feed.py", "leaky.py")) == frames


def test_what_every_page_brings_about_is_small():
    assert str(Line("apps/feed.py:22", 1.62)) == "1.6 MB a visit from feed.py"
    assert str(Line("apps/feed.py:22", 0.19)) == "less than 0.2 MB a visit"
    assert (
        str(Allocations(("make in feed.py", "<module> in leaky.py"), 1.6)) == "make in feed.py < <module> in leaky.py"
    )
    assert str(Allocations(("make in feed.py",), 0.1)) == "small"


async def test_where_there_is_no_memray_it_is_said(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InvalidOption, match="Windows"):
        await Tools({}).memray(of=())
