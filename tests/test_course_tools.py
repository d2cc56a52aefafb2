"""What chapters 06 and 07 make of the answers of well-known tools, and of what sessions left."""

from __future__ import annotations

import sys

import pytest

from sessionlab.course.casebook import _classes
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


def test_what_a_picture_says_of_weights_is_what_was_measured():
    left = {"busy": 320.4, "figure": 2411.0, "cache": 1.6, "hook": 31.0, "editable": 1290.2, "timer": 118.0}
    assert (
        _classes(left) == "at least 1000: figure, editable; 50 to 1000: busy, timer; 5 to 50: hook; fewer than 5: cache"
    )
    assert _classes(dict.fromkeys(left, 0.5)) == f"fewer than 5: {', '.join(left)}"
