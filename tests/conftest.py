"""What several test modules share: small applications, and a module that stays."""

from __future__ import annotations

import functools
import gc
import sys
import textwrap
import types
from pathlib import Path

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


@pytest.fixture(scope="module")
def preloaded():
    """Servers of this module are forked out of a process that has imported Panel: for what measures no memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESSIONLAB_PRELOAD", "1")
        yield


@pytest.fixture
def passed_over(request):
    """What there was before the test: the collector does not list it, and walks pass it over. Most of it is pytest's.

    With the mark ``whole_heap`` it is nothing.
    """
    if request.node.get_closest_marker("whole_heap"):
        yield []
        return
    gc.collect()
    objects = gc.get_objects()
    gc.freeze()
    yield objects
    gc.unfreeze()


@pytest.fixture
def walked(passed_over):
    """`walked(ledger)` is a `Walk` through what the test has made."""
    from sessionlab.agent.graph import Walk

    return functools.partial(Walk, without=passed_over)


@pytest.fixture
def resident(monkeypatch, passed_over):
    """A module of this process, as one that outlives every session."""
    module = types.ModuleType("resident_module")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def ledger(home):
    """A ledger whose first window is open; what the test module's ``home`` has is old."""
    from sessionlab.agent.ledger import Ledger

    gc.collect()
    ledger = Ledger()
    ledger.turn()
    return ledger
