"""What sessions leave behind, counted in one server for several applications."""

from __future__ import annotations

import pytest

from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.course.measure import left_behind
from sessionlab.errors import AppFailed

pytestmark = pytest.mark.server

CASES = NOTEBOOKS / "apps" / "casebook"


@pytest.mark.slow("several series of sessions, each measured")
@pytest.mark.parametrize("servers", [1, 2])
async def test_what_one_app_leaves_is_not_charged_to_another(servers):
    names = ("watcher_leaky", "watcher_fixed", "state_cache_leaky", "state_cache_fixed")
    left = await left_behind([CASES / f"{name}.py" for name in names], servers=servers)
    assert list(left) == list(names)
    assert [left[name].of("Str") for name in names] == [1, 0, 0, 0]
    assert [left[name].of("Report") for name in names] == [0, 0, 1, 0]
    assert not left["watcher_fixed"].counts


async def test_an_app_that_fails_is_not_clean(tmp_path):
    app = tmp_path / "broken.py"
    app.write_text("import panel as pn\npn.pane.Str('x').servable()\n1 / 0\n")
    with pytest.raises(AppFailed, match="ZeroDivisionError"):
        await left_behind([app])
