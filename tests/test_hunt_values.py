"""Single values that grow: found in this process by their place, and in a served one by a hunt."""

from __future__ import annotations

import collections
import gc
import io
import textwrap

import numpy as np
import pandas as pd
import pytest
from hunting import hunt

from sessionlab import report
from sessionlab.agent import names, values
from sessionlab.sizes import show_size


class Hub:
    """What the application keeps for all of its sessions."""

    def __init__(self):
        self.data = bytearray(2000)
        self.written = io.StringIO()
        self.written.write("x" * 2000)
        self.closed = io.BytesIO()
        self.closed.close()


@pytest.fixture
def home(resident):
    resident.text = "x" * 2000
    resident.words = {"log": "x" * 2000}
    resident.array = np.zeros(250)
    resident.table = pd.DataFrame({"x": np.zeros(250)})
    resident.hub = Hub()
    resident.steady = "y" * 50_000
    return resident


def longer(home):
    """As a visit would: 3000 bytes more of each."""
    home.words["log"] += "x" * 3000
    home.array = np.append(home.array, np.zeros(375))
    home.table = pd.concat([home.table, pd.DataFrame({"x": np.zeros(375)})], ignore_index=True)
    home.hub.data += bytes(3000)
    home.hub.written.write("x" * 3000)


async def test_what_has_grown_is_named_by_its_place_and_weighed(home, ledger, walked):
    assert not gc.is_tracked(home.words), "a table of texts, which the collector does not know"
    before = values.weigh()
    longer(home)
    ledger.turn()
    found = {row["holder"]: row for row in values.rows_of(walked(ledger), before)}
    places = ["words['log']", "array", "table", "hub.data", "hub.written"]
    assert found.keys() == {f"resident_module.{place}" for place in places}
    for row in found.values():
        assert 2900 < row["bytes"] < 3500, row
    kinds = ["str", "numpy ndarray", "pandas DataFrame", "bytearray", "StringIO"]
    assert [found[f"resident_module.{place}"]["what"] for place in places] == kinds


async def test_what_does_not_grow_is_not_named(home, ledger, walked):
    before = values.weigh()
    home.text = "z" * 2100
    ledger.turn()
    assert values.rows_of(walked(ledger), before) == []


async def test_what_something_young_holds_is_part_of_that(home, ledger, walked):
    home.young = Hub()
    ledger.turn()
    before = values.weigh()
    home.young.data += bytes(30_000)
    assert values.rows_of(walked(ledger), before) == []


def test_an_attribute_is_called_by_its_name_also_if_that_is_data(home):
    kept = collections.UserDict(log="x")
    home.kept = kept
    own = vars(home)
    assert names.path_name([home, own, home.hub, home.hub.__dict__, home.hub.data]) == "resident_module.hub.data"
    assert names.path_name([home, own, kept, kept.__dict__, kept.data, kept["log"]]) == "resident_module.kept['log']"


KEEPER = """
    import pandas as pd

    VISITS = pd.DataFrame({"x": []})
    SESSIONS = {}
"""
APP = """
    import pandas as pd
    import panel as pn
    import keeper_of_tables

    keeper_of_tables.VISITS = pd.concat([keeper_of_tables.VISITS, pd.DataFrame({"x": [1.0] * 5000})])
    keeper_of_tables.SESSIONS[pn.state.curdoc.session_context.id] = None
    pn.state.on_session_destroyed(lambda context: keeper_of_tables.SESSIONS.pop(context.id))
    pn.pane.Str("kept").servable()
"""


@pytest.mark.slow("two whole hunts")
@pytest.mark.server
def test_a_table_that_grows_is_named_with_its_line_and_so_is_a_hook_that_fails(tmp_path):
    (tmp_path / "keeper_of_tables.py").write_text(textwrap.dedent(KEEPER))
    app = tmp_path / "app.py"
    app.write_text(textwrap.dedent(APP))
    result = hunt(app, max_seconds=300)
    found = {culprit.holder: culprit for culprit in result.culprits}
    assert found.keys() == {"keeper_of_tables.VISITS", "keeper_of_tables.SESSIONS"}
    table = found["keeper_of_tables.VISITS"]
    assert table.location.endswith("app.py:6") and table.owner == "app" and "cut it" in table.advice
    assert 0.8 < table.bytes / 80_000 < 1.2  # a number and its index
    assert f"grows by {show_size(table.bytes)} a session" in report.text(result)
    (note,) = [note for note in result.notes if "fails" in note]
    assert "app.py:8" in note and "NameError" in note and "default arguments" in note
