"""Whether a session grows while it stays open: with events, or with time."""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import json
import re
import sys
import time
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sessionlab import visit
from sessionlab.cli import app as cli
from sessionlab.client.scenario import figures, point_at, use_widgets
from sessionlab.leaks import HuntResult, on_page
from sessionlab.leaks.advice import advice_while_open
from sessionlab.leaks.decision import Holder, Judgement
from sessionlab.leaks.living import Growth, Hands, Window, _Live, in_windows, live
from sessionlab.leaks.outcome import Evidence
from sessionlab.leaks.result import Culprit, Live
from sessionlab.pytest_plugin import Limits
from sessionlab.server import serve

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("living_benchmark", ROOT / "benchmarks" / "living.py")
benchmark = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = benchmark  # dataclasses look their module up
_spec.loader.exec_module(benchmark)

# of each kind some; `python benchmarks/living.py` looks at all of them
GROWS = ("list_of_arrays", "stream_without_rollover", "column_of_panes", "task_of_every_tick", "zoom_history")
STEADY = ("ring", "pruned_by_age", "zoomed_map", "replaced_pane")


@pytest.mark.slow("a server of its own for each, and windows of some seconds")
@pytest.mark.server
@pytest.mark.parametrize("name", [f"grows/{name}" for name in GROWS] + [f"steady/{name}" for name in STEADY])
def test_what_grows_is_named_and_what_does_not_is_steady(name):
    looked = benchmark.look(benchmark.APPS / f"{name}.py")
    assert looked.right, f"{looked}\n{looked.notes}"


@pytest.mark.slow("a whole hunt")
@pytest.mark.server
def test_a_hunt_tells_it_and_fails():
    app = benchmark.APPS / "grows" / "list_of_arrays.py"
    done = CliRunner().invoke(cli, ["hunt", str(app), "--json", "--sessions", "12"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["verdict"], found["live"]["verdict"]) == (1, "clean", "grows")
    (culprit,) = found["live"]["culprits"]
    assert culprit["holder"] == "app.rows" and culprit["location"].endswith("list_of_arrays.py:13")
    assert found["live"]["per_event"]["bytes"] == pytest.approx(16_112, rel=0.1)
    assert found["live"]["events"] >= 10 and found["live"]["minutes"] > 1


CLOCKS = """
    import time, panel as pn
    begun = time.time(), time.monotonic()
    ticks = []
    shown = pn.pane.Str('')
    def tick():
        ticks.append(1)
        shown.object = f'{len(ticks)} {time.time() - begun[0]:.1f} {time.monotonic() - begun[1]:.1f}'
    pn.state.add_periodic_callback(tick, period=250)
    shown.servable()
"""


def told(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", text)]


@pytest.mark.server
async def test_every_timer_fires_when_it_is_due_and_the_clocks_move_along(tmp_path):
    app = tmp_path / "clocks.py"
    app.write_text("\n".join(line[4:] for line in CLOCKS.splitlines()))
    with serve(app) as server:
        server.probe.extend("clock")
        async with visit(server.url) as session:
            await session.wait_for("HTML", text=lambda text: told(text) != [])
            before = told(session.value("HTML", "text"))
            passed = server.probe.ask("POST", "elapse", seconds=60, most=30)["seconds"]
            await session.roundtrip()
            await session.wait_for("HTML", text=lambda text: told(text)[0] >= before[0] + 239)
            after = told(session.value("HTML", "text"))
            ticks, wall, steady = (now - then for now, then in zip(after, before, strict=True))
            assert 60 <= passed < 61 and wall == pytest.approx(ticks / 4, rel=0.05)  # and what it takes
            assert wall == pytest.approx(steady, abs=0.2)
            # and so long as the machine lets it, no longer
            begin = time.monotonic()
            server.probe.ask("POST", "elapse", seconds=1e9, most=0.3)
            assert time.monotonic() - begin < 10


FIGURE = """
    import panel as pn
    from bokeh.events import MouseMove, RangesUpdate, SelectionGeometry
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure
    source = ColumnDataSource({'x': [1, 2], 'y': [1, 2]})
    plot = figure(tools='tap,box_select', x_range=(0, 3))
    plot.scatter('x', 'y', source=source)
    seen = pn.pane.Str('')
    def note(what):
        seen.object += f' {what}'
    for event in (MouseMove, RangesUpdate, SelectionGeometry):
        plot.on_event(event, lambda event: note(event.event_name))
    source.selected.on_change('indices', lambda attr, old, new: note(new))
    pn.Column(pn.pane.Bokeh(plot), seen).servable()
"""


@pytest.mark.server
async def test_a_figure_is_looked_at_as_a_browser_does(tmp_path):
    app = tmp_path / "plot.py"
    app.write_text("\n".join(line[4:] for line in FIGURE.splitlines()))
    with serve(app) as server:
        async with visit(server.url) as session:
            (figure,) = figures(session)
            assert await point_at(session, figure) and await point_at(session, figure, back=True)
            wanted = ("mousemove", "selectiongeometry", "[0]", "[]")
            await session.wait_for("HTML", text=lambda text: all(word in text for word in wanted))


WIDGETS = """
    import panel as pn
    speed = pn.widgets.IntSlider(name='Speed', end=10, value=4)
    seen = pn.pane.Str('')
    speed.param.watch(lambda change: setattr(seen, 'object', f'{seen.object} {change.new};'), 'value')
    pn.Column(speed, seen).servable()
"""


@pytest.mark.server
async def test_values_come_again(tmp_path):
    app = tmp_path / "widgets.py"
    app.write_text("\n".join(line[4:] for line in WIDGETS.splitlines()))
    with serve(app) as server:
        async with visit(server.url) as session:
            hands = Hands(session, use_widgets)
            for expected in ("5;", "5; 4;", "5; 4; 5;", "5; 4; 5; 4;"):
                assert await hands.round() == 1
                await session.wait_for("HTML", text=lambda text, expected=expected: expected in text)


def test_a_holder_in_some_of_the_windows():
    holder = Holder("app.rows", "list", [20, 30, 5, 0], [0] * 4, [20, 30, 5, 0], 55, bytes=5500)
    part = in_windows(holder, [0, 1])
    assert (list(part.items), list(part.below), part.bytes) == ([20, 30], [20, 30], 5000)
    assert in_windows(holder, [3]).bytes == 0


def test_what_fails_on_the_way_is_said_and_ends_nothing():
    class Scenario:
        interact = None

        async def enter(self, url):
            raise KeyError("a page of an odd kind\nand more")

    notes: list[str] = []
    probe = types.SimpleNamespace(probe=None)
    visitors = types.SimpleNamespace(server=probe, scenario=Scenario(), urls=["http://127.0.0.1:1/app"])
    assert live(visitors, time.monotonic() + 60, notes) == Live("undecided")
    assert notes == ["live: KeyError: 'a page of an odd kind\\nand more'"]
    assert live(visitors, time.monotonic() + 1, notes) == Live() and "no time was left" in notes[-1]


def culprit(holder: str, size: float = 2000.0, location: str = "") -> Culprit:
    return Culprit(holder, 1.0, (holder,), location, "app", "", size, f"signature of {holder}", "app")


def test_what_is_on_the_page_is_named_as_what_it_is():
    pages = [collections.Counter({"rows of ColumnDataSource": n, "models of type HTML": 3}) for n in (4, 24, 54)]
    (row,) = on_page.holders(pages)
    assert (row.holder, list(row.items)) == ("on the page: rows of ColumnDataSource", [20, 30])
    inside = culprit("app.source._property_values['data']['x']", 800.0, "app.py:16")
    watchers = culprit("app.speed.param.watchers['value']")
    first, other = on_page.merged([culprit(row.holder, 0.0), inside, watchers])
    assert (first.holder, first.location, first.bytes) == (row.holder, "app.py:16", 800.0)
    assert first.chain == (row.holder, inside.holder) and other == watchers
    assert on_page.merged([inside]) == (inside,)


def test_what_grows_with_time_is_not_told_as_growing_with_events():
    looking = _Live.__new__(_Live)
    looking.windows = [
        Window("event", 20, 20, 2.0, None, 0),
        Window("event", 30, 30, 3.0, None, 0),
        Window("minute", 20, 1.0, 60.0, None, 0),
        Window("minute", 30, 1.5, 90.0, None, 0),
    ]
    ticks = {"holder": "app.ticks", "items": [20, 30, 600, 900]}
    clicks = {"holder": "app.clicks", "items": [20, 30, 0, 0]}
    row = {"kind": "list", "edges": [0] * 4, "below": [0] * 4, "length": 1600, "owner": "app", "bytes": 9000}
    looking.answer = {"holders": [{**row, **each} for each in (ticks, clicks)]}
    looking.pages = [collections.Counter()] * 5
    judged = looking._judge()
    assert [f.holder.holder for f in judged["event"].of("leak")] == ["app.clicks"]
    assert [f.holder.holder for f in judged["minute"].of("leak")] == ["app.ticks"]
    looking.answer = {"holders": [{**row, **ticks}]}
    assert {kind: judgement.verdict for kind, judgement in looking._judge().items()} == {
        "event": "clean",
        "minute": "leak",
    }


def test_growth_is_told_per_event():
    windows = [Window("event", 20, 40, 1.0, 1000.0, 40), Window("event", 30, 60, 1.0, 1000.0, 60)]
    looking = _Live.__new__(_Live)
    looking.windows, looking.pages = windows, [collections.Counter()] * 3
    row = {"holder": "app.rows", "kind": "list", "items": [20, 30], "edges": [0, 0], "below": [0, 0], "length": 50}
    looking.answer = {"holders": [{**row, "owner": "app", "bytes": 100_000}]}
    seen = Evidence("app.py", sizes=[20, 30], memory=[[1000.0], [1000.0]])
    growth = Growth.of("event", windows, seen, looking._judge()["event"])
    (found,) = growth.culprits
    assert (growth.verdict, growth.amount, growth.rates["objects"]) == ("grows", 100, 1.0)
    assert (found.grows_by, found.bytes) == (0.5, 1000.0) and "every event" in found.advice
    assert Growth.of("event", windows, seen, Judgement("bounded")).rates == {"bytes": 0.0, "objects": 0.0}


@pytest.mark.parametrize(
    ("holder", "word"),
    [
        ("on the page: rows of ColumnDataSource", "rollover"),
        ("app.speed.param.watchers['value']", "unwatch"),
        ("Thread(work) started at app.py:3", "end before the next"),
        ("event loop: task watch", "cancel"),
        ("functools.lru_cache app.f maxsize=None", "maxsize"),
        ("app.rows", "deque"),
    ],
)
def test_advice_speaks_of_an_open_session(holder, word):
    assert word in advice_while_open(holder, "event")


def test_growth_fails_unless_it_is_known(tmp_path):
    sizes, nothing = {"bytes": 0.0, "objects": 0.0}, {"bytes": 0.0, "objects": 0.0}
    live = Live("grows", 50, 30.0, {"bytes": 16_000.0, "objects": 1.0}, nothing, (culprit("app.rows"),))
    result = HuntResult("app.py", "clean", 70, 9.0, sizes, {"bytes": 1000.0, "objects": 0.1}, (), {}, live=live)
    assert result.exit_code == 1 and not result.fails
    for text in (str(result), result._repr_html_()):
        assert "grows: 16.0 KB with every event" in text and "app.rows" in text
    result.write_baseline(tmp_path / "known.json")
    known = frozenset({"signature of app.rows"})
    assert json.loads((tmp_path / "known.json").read_text())["leaks"][0]["holder"] == "app.rows"
    same = dataclasses.replace(result, known=known)
    assert same.exit_code == 0 and same.to_dict()["known"] == list(known) and "known: app.rows" in str(same)
    assert [each.holder for each in Limits("app.py", bytes=5000).breaches(result)] == ["app.rows"]
    assert not Limits("app.py", ignore=("rows",)).breaches(result) and not Limits("app.py").breaches(same)
    undecided = dataclasses.replace(result, live=Live("undecided"))
    assert undecided.exit_code == 0 and "undecided" in str(undecided)
