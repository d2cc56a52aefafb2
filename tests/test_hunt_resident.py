"""What is frozen before the first visitor is out of the collector's sight, and not out of the hunter's."""

from __future__ import annotations

import gc
import sys
import textwrap
import types

import pytest
from hunting import hunt

from sessionlab import serve
from sessionlab.agent import resident
from sessionlab.agent.graph import Walk
from sessionlab.agent.ledger import Ledger


def freeze():
    resident.meet()
    resident.settle_down()


@pytest.fixture
def frozen():
    """Everything of this process, frozen; thawed afterwards."""
    gc.collect()
    freeze()
    yield
    gc.unfreeze()
    resident.everything()


def test_what_was_frozen_is_found_once_and_grows_like_everything_else(frozen, request):
    kept: list = []
    before = len(resident.everything())
    assert gc.get_freeze_count() > 0.9 * before
    ledger = Ledger()
    freeze()  # with `kept`, which came later
    ledger.turn()
    kept.extend(object() for _ in range(5))
    ledger.turn()
    assert ledger.grew(kept) == [5]
    assert id(kept) in ledger.old


async def test_no_walk_goes_through_the_list_of_what_is_frozen(frozen, monkeypatch):
    module = types.ModuleType("stays")
    monkeypatch.setitem(sys.modules, "stays", module)
    module.kept = deep = {"kept": [object()]}
    for _ in range(20):  # farther from a module than the list is
        module.kept = {"deeper": module.kept}
    freeze()
    ledger = Ledger()
    ledger.turn()
    deep["kept"] = [*deep["kept"], Thing()]  # another list takes the place of the one that is frozen
    ledger.turn()
    walk = Walk(ledger)
    (place,) = [place for place, thing in enumerate(walk.things) if type(thing) is Thing]
    way = [*map(id, walk.path(place))]
    assert id(resident._frozen) not in way and id(deep) in way


class Thing:
    """What the application keeps."""


def test_an_application_that_unfreezes_is_counted_once(frozen):
    many = len(resident.everything())
    gc.unfreeze()
    assert len(resident.everything()) == pytest.approx(many, rel=0.01)


@pytest.mark.server
def test_a_census_counts_once_what_the_application_unfreezes(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        textwrap.dedent("""
        import gc
        import panel as pn

        pn.widgets.Button(name="thaw", on_click=lambda event: gc.unfreeze()).servable()
        """)
    )
    with serve(app) as server:
        before = server.probe.census(settle=True).objects
        server.probe.freeze()
        assert server.probe.census(settle=True).objects == pytest.approx(before, rel=0.01)
        result = hunt(app, sessions=16)
    assert result.verdict == "clean", result
