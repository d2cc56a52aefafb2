"""The element log: what an application makes, renders, updates and drops, by which of its lines."""

from __future__ import annotations

import asyncio

import pytest

from sessionlab import serve, visit
from sessionlab.probe.element_log import ElementLog

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

APP = """
    import holoviews as hv
    import panel as pn

    pn.extension()
    hv.extension("bokeh")

    unused = hv.Points([(1, 2)])
    lazy_but_never_shown = hv.DynamicMap(lambda: hv.Area([1, 2]))
    size = pn.widgets.IntSlider(name="size", start=2, end=9)
    count = pn.widgets.IntInput(name="count")

    def scatter(size):
        return hv.Scatter(list(range(size)))

    def bump():
        count.value += 1

    def add(event):
        bump()

    class OwnRow(pn.Row):
        pass

    class Card(pn.viewable.Viewer):
        def __panel__(self):
            return pn.pane.Markdown("of a Viewer")

    button = pn.widgets.Button(name="add", on_click=add)
    shown = hv.DynamicMap(pn.bind(scatter, size))
    OwnRow(size, button, count, shown, Card()).servable()
"""
PLAIN = """
    from bokeh.io import curdoc
    from bokeh.models import Button, Div
    import panel as pn

    div = Div(text="0")

    def more():
        div.text = div.text + "1"

    button = Button(label="more")
    button.on_click(more)
    curdoc().add_root(div)
    curdoc().add_root(button)
    curdoc().add_root(pn.Column("text").get_root())
"""


def line_of(text: str, source: str = APP) -> str:
    number = next(i for i, line in enumerate(source.splitlines(), 1) if text in line)
    return f"app.py:{number}"


@pytest.fixture(scope="module")
def server(app):
    with serve(app(APP), lifetime=60, elements=True) as server:
        yield server


@pytest.fixture
async def log(server) -> ElementLog:
    """What is noted of one visit, in which the slider is moved and the button clicked, until it is all gone."""
    server.probe.discard_unused()
    server.probe.reset()
    async with visit(server.url) as session:
        await session.set("size", value=5)
        await session.click("add")
        assert server.probe.elements().on
    server.probe.discard_unused()
    server.probe.collect()
    log = server.probe.elements()
    assert {e["session"] for e in log.events} <= {session.id, ""}
    return log


def happened(log: ElementLog, kind: str, type: str) -> list[tuple[str, str, str]]:
    return [
        (e["what"], e.get("callback"), e.get("where")) for e in log.events if (e["kind"], e["type"]) == (kind, type)
    ]


async def test_what_an_app_makes_and_what_becomes_of_it(server, log):
    # An element that nothing shows is created at once and never rendered [its data too]; a DynamicMap that
    # nothing shows does not even run its function.
    here = line_of("unused =")
    assert happened(log, "holoviews", "Points") == [("created", "<module>", here), ("freed", None, None)]
    assert happened(log, "holoviews", "Area") == []
    scatters = [e for e in log.events if e["type"] == "Scatter" and e["kind"] == "holoviews"]
    created = [e for e in scatters if e["what"] == "created" and e["where"] == line_of("hv.Scatter")]
    assert len(created) == 2, "one for the first picture, one for the moved slider"
    assert {e["callback"] for e in created} == {"scatter"}
    assert [e["what"] for e in scatters if e["what"] in ("rendered", "updated")][:2] == ["rendered", "updated"]
    assert any(e["what"] == "dropped" for e in scatters)

    made = {(e["kind"], e["type"]): e["made"] for e in log.events if e["what"] == "created"}
    for widget, text in [("IntSlider", "size ="), ("Button", "button ="), ("IntInput", "count =")]:
        assert made["panel", widget] == line_of(text)
    assert made["bokeh", "Button"] == line_of("button ="), "a model is made for the Panel object that renders it"
    assert made["panel", "OwnRow"] == made["panel", "Card"] == line_of("OwnRow(size")
    assert made["panel", "Markdown"] == line_of("of a Viewer")
    assert [what for what, *_ in happened(log, "panel", "Card")] == ["created", "rendered", "freed"]

    # The line is the helper's, the callback the one that Panel called.
    updates = [e for e in log.events if e["what"] == "updated" and e["callback"] == "add"]
    assert {e["where"] for e in updates} == {line_of("count.value +=")}
    assert ("panel", "IntInput", "value") in {(e["kind"], e["type"], e["detail"]) for e in updates}
    by_hand = {(e["kind"], e["type"]) for e in log.events if e["what"] == "updated" and e["by"] == "browser"}
    assert {("panel", "IntSlider"), ("bokeh", "Slider")} <= by_hand

    for kind, type in [("panel", "OwnRow"), ("panel", "Button"), ("bokeh", "Button"), ("bokeh", "Slider")]:
        life = [what for what, *_ in happened(log, kind, type) if what != "updated"]
        assert life == ["created", "rendered", "dropped", "freed"], (kind, type, life)
    assert server.probe.hello()["errors"] == []


async def test_the_log_as_tables(log):
    table = log.table()
    row = table[(table.kind == "panel") & (table.type == "IntSlider")].iloc[0]
    assert (row.maker, row.made) == ("<module>", line_of("size ="))
    assert (row.created, row.rendered, row.dropped, row.freed) == (1, 1, 1, 1) and row.updated >= 1
    who = log.table("callback", "where")
    assert who[who["callback"] == "add"]["updated"].sum() >= 2
    frame = log.frame()
    assert set(frame["session"]) <= {"s1", ""} and len(frame) == len(log)
    assert frame["time"].is_monotonic_increasing
    assert "panel: " in str(log) and "<table" in log._repr_html_()


async def test_it_is_a_live_stream_too(server):
    following = asyncio.create_task(asyncio.to_thread(lambda: list(server.probe.follow("elements", timeout=1.0))))
    await asyncio.sleep(0.2)
    async with visit(server.url) as session:
        await session.click("add")
        server.probe.log_elements(False)
        await session.click("add")
    server.probe.log_elements(True)
    updates = [e for e in await following if e.get("callback") == "add" and e["kind"] == "panel"]
    assert [e["detail"] for e in updates] == ["value"], "one click while it was on"


async def test_panel_is_watched_although_the_first_session_imports_it(app):
    with serve(app(PLAIN), framework="bokeh", lifetime=60, elements=True) as server:
        probe = server.probe
        async with visit(server.url) as session:
            made = {(e["kind"], e["type"], e["where"]) for e in probe.elements().events if e["what"] == "created"}
            assert ("bokeh", "Button", line_of("Button(", PLAIN)) in made
            assert ("panel", "Column", line_of("pn.Column", PLAIN)) in made
            probe.reset()
            await session.click("more")
            probe.log_elements(False)
            await session.click("more")
            log = probe.elements()
            assert not log.on and not probe.hello()["elements"]
        updates = [e for e in log.events if e["what"] == "updated"]
        assert [(e["type"], e["detail"], e["callback"], e["where"], e["by"]) for e in updates] == [
            ("Div", "text", "more", line_of("div.text + ", PLAIN), "python")
        ], "one click while it was on"
