"""What the hunter reads in an application's source: where a container is filled, emptied, and its bound."""

from __future__ import annotations

import textwrap

import pytest

from sessionlab.agent.source import shrinks_anywhere, use_of
from sessionlab.leaks.advice import KNOWN, advice_for, code_only, marked_line, owner_of
from sessionlab.leaks.decision import Holder


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> tuple[str, ...]:
        file = tmp_path / "store.py"
        file.write_text(textwrap.dedent(source))
        return (str(file),)

    return write


@pytest.mark.parametrize(
    ("source", "bound"),
    [
        ("ITEMS = []\ndef add(x):\n    ITEMS.append(x)\n    if len(ITEMS) > 50:\n        ITEMS.pop(0)\n", 50),
        ("MOST = 30\nITEMS = {}\ndef add(k):\n    ITEMS[k] = 1\n    while len(ITEMS) >= MOST: ITEMS.popitem()\n", 30),
        ("ITEMS = []\ndef add(x):\n    global ITEMS\n    ITEMS.append(x)\n    ITEMS = ITEMS[-20:]\n", 20),
        ("ITEMS = []\ndef add(x):\n    ITEMS.append(x)\n    del ITEMS[:-10]\n", 10),
        ("ITEMS = []\ndef add(x):\n    ITEMS.append(x)\n    if len(ITEMS) > 50:\n        print('many')\n", None),
        ("ITEMS = []\ndef add(x):\n    ITEMS.append(x)\ndef forget():\n    ITEMS.clear()\n", None),
        ("OTHER = []\nITEMS = []\nif len(OTHER) > 5: OTHER.pop()\nITEMS.append(1)\n", None),
    ],
)
def test_a_bound_counts_only_with_something_that_removes(written, source, bound):
    assert use_of("ITEMS", written(source)).bound == bound


def test_lines_are_those_of_the_application(written):
    files = written("class Cache:\n    def put(self, k, v):\n        self._items[k] = v\n        self._items.pop(0)\n")
    use = use_of("_items", files)
    assert (use.filled, use.emptied) == (("store.py:3",), ("store.py:4",))
    assert shrinks_anywhere(files)


def test_a_file_that_cannot_be_parsed_says_nothing(written):
    assert use_of("ITEMS", written("ITEMS = [\n")).filled == ()


def test_known_patterns_have_advice_and_correct_the_owner():
    cache = Holder("panel.io.state.state.param['cache']", owner="panel")
    assert owner_of(cache) == "app" and "on_session_destroyed" in advice_for(cache)
    views = Holder("panel.io.state.state._views", owner="panel", example="panel NotificationArea")
    assert owner_of(views) == "panel" and "notifications=True" in advice_for(views)
    mapping = "functools.lru_cache panel.reactive.Syncable._property_mapping maxsize=None"
    of_panel, of_script = Holder(mapping, example="class panel ListInput"), Holder(mapping, example="class app Knob")
    assert owner_of(of_panel) == "panel" and "pn.Param" in advice_for(of_panel)
    assert owner_of(of_script) == "app" and "imported module" in advice_for(of_script)
    links = Holder("panel.links.Callback.registry", owner="panel", example="panel Callback")
    assert owner_of(links) == "panel" and "editable slider" in advice_for(links)
    assert all(known.advice for known in KNOWN)


def test_a_mark_in_a_docstring_or_comment_is_no_mark(written):
    files = written(
        '"""notifications=True is bad"""\n# notifications=True\nimport panel as pn\npn.extension(notifications=True)\n'
    )
    views = Holder("panel.io.state.state._views", example="panel NotificationArea")
    assert marked_line(views, files) == "store.py:4"
    assert code_only("x = 'a'  # b")[0].strip() == "x ="
