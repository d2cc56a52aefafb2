"""A visit without a browser, against real servers: what it sees, what it sends, how it ends, how it fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from bokeh.core.serialization import Buffer, Deserializer, Serialized, Serializer

from sessionlab import serve, visit
from sessionlab.client import Page, get_page
from sessionlab.client.document import Document
from sessionlab.client.values import decode, encode
from sessionlab.errors import ConnectionRefused, VisitFailed

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

WIDGETS = """
    import datetime as dt
    import pandas as pd
    import panel as pn

    pn.extension("tabulator")
    w = pn.widgets
    made = {
        "speed": w.FloatSlider(name="Speed", start=0, end=10, value=2),
        "count": w.IntSlider(name="Count", start=0, end=10, value=2),
        "range": w.RangeSlider(name="Range", start=0, end=10, value=(2, 4)),
        "fruit": w.Select(name="Fruit", options={"apple": 1, "pear": 2}),
        "who": w.TextInput(name="Who"),
        "agree": w.Checkbox(name="Agree"),
        "on": w.Toggle(name="On"),
        "day": w.DatePicker(name="Day", value=dt.date(2024, 1, 2)),
        "many": w.MultiSelect(name="Many", options=["a", "b", "c"], value=["a"]),
        "radio": w.RadioButtonGroup(name="Radio", options=["x", "y", "z"]),
        "extra": w.CheckBoxGroup(name="Extra", options=["p", "q"]),
        "hue": w.ColorPicker(name="Hue", value="#112233"),
    }
    run = w.Button(name="Run")
    menu = w.MenuButton(name="Menu", items=[("One", "1"), ("Two", "2")])
    table = w.Tabulator(pd.DataFrame({"x": [1, 2, 3]}))
    tabs = pn.Tabs(("Speed", pn.Column(*made.values())), ("Second", pn.Column(run, menu, table)))
    seen = pn.pane.Markdown(name="seen")
    said = pn.pane.Markdown(name="said")

    def look(*_):
        shown = {name: widget.value for name, widget in made.items()}
        shown |= {"throttled": made["speed"].value_throttled, "tab": tabs.active, "rows": table.selection}
        seen.object = "; ".join(f"{name}={value}" for name, value in shown.items())

    for widget in made.values():
        widget.param.watch(look, "value")
    made["speed"].param.watch(look, "value_throttled")
    tabs.param.watch(look, "active")
    table.param.watch(look, "selection")
    made["who"].param.watch(lambda e: setattr(said, "object", f"entered {e.obj.value}"), "enter_pressed")
    run.on_click(lambda e: setattr(said, "object", f"clicked {run.clicks}"))
    menu.on_click(lambda e: setattr(said, "object", f"chose {e.new}"))
    table.on_click(lambda e: setattr(said, "object", f"cell {e.column} {e.row}"))
    look()
    pn.Column(tabs, seen, said, w.Button(name="Off", disabled=True)).servable(title="Many widgets")
"""
LOADED = """
    import panel as pn

    pn.extension()
    where = ", ".join(f"{k}={v[0].decode()}" for k, v in pn.state.session_args.items())
    said = pn.pane.Markdown(f"arguments {where}; cookie {pn.state.cookies.get('user')}")
    late = pn.pane.Markdown("not loaded")
    count = pn.widgets.IntInput(name="count")
    button = pn.widgets.Button(name="add", on_click=lambda e: count.param.update(value=count.value + 1))

    def block(event):
        import time
        time.sleep(0.6)

    pn.state.onload(lambda: setattr(late, "object", "is loaded"))
    pn.state.on_session_destroyed(lambda context, say=print: say("gone", context.id, flush=True))
    zone = pn.bind(lambda zone: f"zone {zone}", pn.state.browser_info.param.timezone)
    pn.Column(said, late, zone, count, button, pn.widgets.Button(name="block", on_click=block)).servable()
"""
TICKS = """
    import panel as pn

    pn.extension()
    tick = pn.widgets.IntInput(name="tick")
    place = pn.Column("")

    def advance():
        tick.value += 1
        place.objects = [pn.pane.Markdown(f"content {tick.value}")]

    pn.state.add_periodic_callback(advance, period=20)
    pn.Column(tick, place).servable()
"""
TEMPLATE = """
    import panel as pn

    pn.extension()
    slider = pn.widgets.IntSlider(name="slider", end=10)
    page = pn.template.FastListTemplate(title="Templated", sidebar=[slider])
    page.main.append(pn.bind(lambda value: f"main {value}", slider))
    page.servable()
"""
DIRECTORY = """
    import panel as pn

    pn.extension()
    pn.pane.Markdown("from a directory").servable()
"""
HOOKS = """
    def process_request(request):
        if "fail" in request.arguments:
            raise RuntimeError("the database is away")
        return {}
"""
ARRAYS = """
    import numpy as np
    from bokeh.io import curdoc
    from bokeh.layouts import column
    from bokeh.models import Button, ColumnDataSource, Div, Slider, TextInput
    from bokeh.plotting import figure

    # x starts as an array of floats, i as one of integers, z as a list
    source = ColumnDataSource({"x": np.arange(3.0), "i": np.arange(3, dtype="int32"), "z": [7, 8, 9]}, name="source")
    plot = figure(width=200, height=200)
    plot.line("x", "i", source=source)

    def button(label, do):
        made = Button(label=label)
        made.on_click(do)
        return made

    def replace(attr, old, new):
        out.text = str(int(new) * 2)

    out = Div(text="0", name="out")
    slider = Slider(start=0, end=10, value=1, title="N")
    slider.on_change("value", replace)
    curdoc().title = "Arrays"
    curdoc().add_root(column(plot, slider, out))
    new = {"x": np.array([3.0, 4.0]), "i": np.array([3, 4], dtype="int32"), "z": [10, 11]}
    steps = {
        "stream": lambda: source.stream(new),
        "roll": lambda: source.stream(new, rollover=4),
        "patch": lambda: source.patch({"x": [(0, 99.0), (slice(1, 3), [98.0, 97.0])]}),
        "replace": lambda: setattr(source, "data", {"x": np.array([5.0, np.nan]), "z": ["p", "q"]}),
        "root": lambda: curdoc().add_root(Div(text="second root", name="second")),
        "unroot": lambda: curdoc().remove_root(curdoc().get_model_by_name("second")),
        "title": lambda: setattr(curdoc(), "title", "Renamed"),
    }
    curdoc().add_root(column(*[button(label, do) for label, do in steps.items()], TextInput(title="T")))
"""


@pytest.fixture(scope="module")
def panel(app):
    apps = {"widgets": WIDGETS, "loaded": LOADED, "ticks": TICKS, "template": TEMPLATE}
    paths = [app(source, f"{name}.py") for name, source in apps.items()]
    directory = app(DIRECTORY, "directory/main.py").parent
    (directory / "app_hooks.py").write_text(textwrap.dedent(HOOKS))
    with serve([*paths, directory], lifetime=1.5, check=0.2) as server:
        yield server


@pytest.fixture(scope="module")
def bokeh(app):
    with serve(app(ARRAYS, "arrays.py"), framework="bokeh") as server:
        yield server


# -- what is seen ------------------------------------------------------------------------------------------------


async def test_page_and_session(panel):
    async with visit(panel.urls["/widgets"]) as session:
        assert session.page.status == 200
        assert session.page.session_id == session.id and len(session.id) > 20
        assert session.page.headers["Content-Type"].startswith("text/html")
        assert session.document.title == "Many widgets"
        assert len(session.document.roots) >= 3  # the column, Panel's location and its browser info
        assert session.closed is None
        assert 0 < session.timings.connect < session.timings.page + session.timings.pull + 5
        assert 290 < session.page.token_expires - time.time() <= 300
        assert set(session.timings.to_dict()) == {"page", "connect", "pull"}
        assert f"session {session.id} on {session.page.url}: open" in repr(session)
        assert str(session.widgets[1]) == f"slider 'Speed' ({session.find('Speed').id}) = 2"
        assert session.widgets[1]._repr_html_().startswith("<code>slider &#x27;Speed&#x27;")
    assert "closed by the visitor (code 1001)" in repr(session)


async def test_every_widget_is_found(panel):
    async with visit(panel.urls["/widgets"]) as session:
        found = {widget.name: widget for widget in session.widgets}
        kinds = {name: found[name].kind for name in ("Speed", "Count", "Range", "Fruit", "Who", "Agree", "On", "Day")}
        assert kinds == dict(
            Speed="slider", Count="slider", Range="range", Fruit="select", Who="text", Agree="toggle", On="toggle",
            Day="date",
        )  # fmt: skip
        assert (found["Speed"].value, found["Speed"].low, found["Speed"].high, found["Speed"].step) == (2, 0, 10, 0.1)
        assert found["Range"].value == [2, 4]
        assert found["Fruit"].labels == ("apple", "pear") and found["Fruit"].value in found["Fruit"].options
        assert (found["Agree"].value, found["Who"].value) == (False, "")  # both left out of the JSON by the server
        assert found["Many"].options == ("a", "b", "c")
        by_type = {widget.type: widget for widget in session.widgets}
        assert by_type["RadioButtonGroup"].labels == ("x", "y", "z") and by_type["RadioButtonGroup"].value == 0
        assert by_type["CheckboxGroup"].value == [] and by_type["CheckboxGroup"].options == (0, 1)
        assert by_type["Tabs"].labels == ("Speed", "Second")
        assert {by_type["DataTabulator"].kind, found["Menu"].kind, found["Run"].kind} == {"table", "menu", "button"}
        assert "Off" not in found  # it is disabled
        assert session.find("Tabulator").id == by_type["DataTabulator"].id
        assert session.find("Speed").short_type == "Slider"  # not the tab of that name
        assert session.find("Select").short_type == "CustomSelect"
        assert session.find(found["Run"].id).label == "Run"
        with pytest.raises(VisitFailed, match="nothing with the name") as failure:
            session.find("Sped")
        assert "slider 'Speed'" in failure.value.why


async def test_what_the_server_receives(panel):
    """Each edit arrives in the Python widget, as the application itself tells."""
    edits = {
        "Speed": (3.5, "speed=3.5"),
        "Count": (7, "count=7"),
        "Range": ([1, 9], "range=(1, 9)"),
        "Fruit": (None, "fruit=2"),
        "Who": ("ada", "who=ada"),
        "Agree": (True, "agree=True"),
        "Day": ("2024-05-06", "day=2024-05-06"),
        "Many": (["b", "c"], "many=['b', 'c']"),
        "RadioButtonGroup": (2, "radio=z"),
        "Hue": ("#abcdef", "hue=#abcdef"),
    }
    async with visit(panel.urls["/widgets"]) as session:
        fruit = next(widget for widget in session.widgets if widget.name == "Fruit")
        for name, (value, expected) in edits.items():
            await session.set(name, value=fruit.options[1] if name == "Fruit" else value)
            await session.wait_for(lambda s, text=expected: text in s.document.text)
        assert session.value("Count") == 7 and session.value("RadioButtonGroup") == 2
        await session.wait_for(lambda s: "throttled=3.5" in s.document.text and "entered ada" in s.document.text)
        await session.click("On")
        await session.wait_for(lambda s: "on=True" in s.document.text)
        await session.click("Second")
        await session.wait_for(lambda s: "tab=1" in s.document.text)
        await session.click("Run")
        await session.click("Run")
        await session.wait_for(lambda s: "clicked 2" in s.document.text)
        await session.click("Menu", item="2")
        await session.wait_for(lambda s: "chose 2" in s.document.text)
        await session.event("cell-click", "Tabulator", column="x", row=1)
        await session.wait_for(lambda s: "cell x 1" in s.document.text)
        await session.select_rows("Tabulator", [0, 2])
        await session.wait_for(lambda s: "rows=[0, 2]" in s.document.text)
        with pytest.raises(VisitFailed, match="nothing to click"):
            await session.click("Speed")
        assert list(session.console) == []


async def test_a_curious_visitor_uses_every_widget(panel):
    async with visit(panel.urls["/widgets"]) as session:
        before = session.document.text
        used = {widget.name or widget.type: await session.interact(widget) for widget in session.widgets}
        assert all(used.values()), used
        await session.wait_for(
            lambda s: all(
                text in s.document.text
                for text in ("speed=2.1", "count=3", "range=(3, 4)", "fruit=2", "who=x", "agree=True", "on=True",
                             "day=2024-01-03", "many=['b', 'c']", "radio=y", "extra=['p', 'q']", "hue=#ff0000", "tab=1",
                             "rows=[0]")
            )
        )  # fmt: skip
        assert session.document.text != before
        assert await session.interact("HTML") is False


async def test_onload_arguments_cookies(panel):
    url = panel.urls["/loaded"] + "?shape=round&n=2"
    async with visit(url, cookies={"user": "ada"}) as session:
        await session.wait_for(lambda s: "is loaded" in s.document.text)  # only document_ready brings it
        assert "arguments shape=round, n=2; cookie ada" in session.document.text
        await session.wait_for(lambda s: "zone UTC" in s.document.text)  # as Panel's model of the browser reports it


async def test_a_template_and_a_directory(panel):
    async with visit(panel.urls["/template"]) as session:
        assert len(session.document.roots) > 4
        await session.set("slider", value=4)
        await session.wait_for(lambda s: "main 4" in s.document.text)
    async with visit(panel.urls["/directory"]) as session:
        assert "from a directory" in session.document.text


async def test_a_stream_is_followed(panel):
    """Pushes of every 20 ms are applied although nobody asks, and discarded content is forgotten."""
    async with visit(panel.urls["/ticks"]) as session:
        await session.wait_for(lambda s: s.patches >= 60)
        first, models = session.value("tick"), len(session.models)
        assert first >= 25
        await session.wait_for(lambda s: s.value("tick") >= first + 25)
        assert len(session.models) == models
        assert sum(text.startswith("content") for text in session.document.text.splitlines()) == 1
        assert await session.roundtrip() < 2
        assert list(session.console) == []


async def test_arrays_and_patches(bokeh):
    async with visit(bokeh.url) as session:

        def data():
            return session.value("source", "data")

        assert data() == {"x": [0, 1, 2], "i": [0, 1, 2], "z": [7, 8, 9]}
        await session.click("stream")
        assert data() == {"x": [0, 1, 2, 3, 4], "i": [0, 1, 2, 3, 4], "z": [7, 8, 9, 10, 11]}
        await session.click("roll")
        assert data() == {"x": [3, 4, 3, 4], "i": [3, 4, 3, 4], "z": [10, 11, 10, 11]}
        await session.click("patch")
        assert data()["x"] == [99, 98, 97, 4]
        await session.click("replace")
        assert data()["x"][0] == 5 and math.isnan(data()["x"][1]) and data()["z"] == ["p", "q"]
        roots = len(session.document.roots)
        await session.click("root")
        assert session.value("second", "text") == "second root" and len(session.document.roots) == roots + 1
        await session.click("unroot")
        assert len(session.document.roots) == roots
        with pytest.raises(VisitFailed):
            session.find("second")
        await session.click("title")
        assert session.document.title == "Renamed"
        await session.set("N", value=4)
        assert session.value("out", "text") == "8"
        assert list(session.console) == []


async def test_a_refused_edit_says_why(bokeh):
    async with visit(bokeh.url) as session:
        with pytest.raises(VisitFailed, match="expected a value of type Real"):
            await session.set("N", value="fast")
        await session.set("N", value=3)  # the session lives on
        assert session.value("out", "text") == "6"


async def test_two_visitors_do_not_mix(panel):
    async with visit(panel.urls["/loaded"]) as one, visit(panel.urls["/loaded"]) as two:
        assert one.id != two.id
        for number in range(1, 6):
            await asyncio.gather(one.click("add"), two.set("count", value=100 * number))
            await one.wait_for("count", value=number)
            await two.click("add")
            await two.wait_for("count", value=100 * number + 1)
        assert (one.value("count"), two.value("count")) == (5, 501)


async def test_a_bot_opens_no_websocket(bokeh):
    opened = len(bokeh.log.matching("WebSocket connection opened"))
    page = await get_page(bokeh.origin + "/")  # leads to the only application
    assert (page.status, page.url) == (200, bokeh.url)
    assert page.session_id and f"session {page.session_id}" in str(page)
    assert (await get_page(bokeh.origin + "/nowhere")).status == 404
    async with visit(bokeh.url):
        pass
    bokeh.read_log()
    assert len(bokeh.log.matching("WebSocket connection opened")) == opened + 1


async def test_no_thread_and_no_task_is_left(bokeh):
    threads = threading.active_count()
    tasks = asyncio.all_tasks()
    async with visit(bokeh.url) as session:
        await session.click("title")
        assert threading.active_count() == threads
    assert await _becomes(lambda: asyncio.all_tasks() == tasks)


# -- how it ends -------------------------------------------------------------------------------------------------


async def test_close_and_drop_are_told_apart(bokeh):
    session = await visit(bokeh.url)
    await session.close()
    assert (session.closed.code, session.closed.by) == (1001, "visitor")
    await asyncio.to_thread(bokeh.log.wait_for, "WebSocket connection closed: code=1001")
    session = await visit(bokeh.url)
    await session.drop()
    assert (session.closed.code, session.closed.by) == (1006, "visitor")
    await asyncio.to_thread(bokeh.log.wait_for, "WebSocket connection closed: code=None")
    with pytest.raises(VisitFailed, match="Nothing can be sent: the connection was closed by the visitor"):
        await session.click("title")


async def test_a_tab_closed_in_mid_stream_says_goodbye(panel):
    """The goodbye arrives although the server pushes all the while, and nothing else has to be waited for."""
    ended = "WebSocket connection closed: code="
    before = len(panel.log.matching(ended))
    for _ in range(4):
        async with visit(panel.urls["/ticks"]) as session:
            await session.wait_for(lambda s: s.patches >= 3)
    assert await _becomes(lambda: len(panel.log.matching(ended)) == before + 4)
    assert all("code=1001" in line for line in panel.log.matching(ended)[before:])


async def test_reconnect_within_the_lifetime_keeps_the_state(panel):
    async with visit(panel.urls["/loaded"]) as session:
        await session.click("add")
        await session.wait_for("count", value=1)
        await session.drop()
        with pytest.raises(VisitFailed):
            await session.set("count", value=50)
        assert session.value("count") == 50  # an edit while offline shows on the page …
        await session.reconnect()
        assert session.closed is None
        assert session.value("count") == 1  # … and is lost
        await session.click("add")
        await session.wait_for("count", value=2)
        assert "is loaded" in session.document.text


async def test_reconnect_after_discard_is_a_fresh_session_with_the_same_id(panel):
    async with visit(panel.urls["/loaded"]) as session:
        await session.wait_for(lambda s: "is loaded" in s.document.text)
        await session.click("add")
        await session.wait_for("count", value=1)
        before = session.id
        await session.drop()
        await asyncio.to_thread(panel.log.wait_for, f"gone {session.id}")
        await session.reconnect()
        assert session.id == before
        assert session.value("count") == 0
        await session.roundtrip()
        assert "not loaded" in session.document.text  # onload never runs: BokehJS sends no second document_ready
        await session.click("add")
        await session.wait_for("count", value=1)


async def test_aged_tokens_and_lost_servers_direct_and_behind_jupyter(app, tmp_path):
    """jupyter-server-proxy opens every websocket before it dials, so a refusal looks different there."""
    path = app(LOADED, "loaded.py")
    with serve(path, token_expiration=2) as server, _jupyter(tmp_path) as jupyter:
        proxied = f"{jupyter}proxy/{server.port}/loaded"
        async with visit(server.url) as direct, visit(proxied + "?token=secret") as session:
            assert session.page.websocket_url.startswith(proxied.replace("http:", "ws:") + "/ws?")
            assert session.page.cookies  # Jupyter's login, set with the page
            await session.click("add")
            await session.wait_for("count", value=1)
            aged = max(direct.page.token_expires, session.page.token_expires)
            assert await _becomes(lambda: time.time() > aged)
            for each in (direct, session):
                await each.drop()
                with pytest.raises(ConnectionRefused, match="code 1005") as refusal:
                    await each.reconnect()
                assert "expired" in refusal.value.why
                assert each.closed.code == 1006
            fresh = await visit(server.url)
            server.kill()
            with pytest.raises(VisitFailed, match="closed by the network"):
                await fresh.wait_for("count", value=1, timeout=10)
            assert (fresh.closed.code, fresh.closed.by) == (1006, "network")
            server.wait()
            with pytest.raises(ConnectionRefused, match="could not be opened"):
                await direct.reconnect()
            with pytest.raises(ConnectionRefused, match="before the session was opened"):
                await session.reconnect()
            with pytest.raises(VisitFailed, match="answered 500"):
                await visit(proxied + "?token=secret")
            with pytest.raises(VisitFailed, match="carries no session"):
                await visit(proxied)  # Jupyter's login page


# -- how it fails ------------------------------------------------------------------------------------------------


async def test_http_errors(panel):
    with pytest.raises(VisitFailed, match=r"/nowhere answered 404") as failure:
        await visit(panel.origin + "/nowhere")
    assert "404: Not Found" in failure.value.why
    with pytest.raises(VisitFailed, match="carries no session"):
        await visit(panel.origin + "/")  # an index of applications
    with pytest.raises(VisitFailed, match="answered 500") as failure:
        await visit(panel.urls["/directory"] + "?fail=1")
    assert "Internal Server Error" in failure.value.why


async def test_a_foreign_origin_is_refused(bokeh):
    with pytest.raises(ConnectionRefused, match="HTTP 403"):
        await visit(bokeh.url, headers={"Origin": "http://elsewhere.example"})


async def test_silence_ends_in_time():
    async def swallow(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as silent:
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/app"
        with pytest.raises(VisitFailed, match="did not answer"):
            await visit(url, timeout=0.2)
    with pytest.raises(VisitFailed, match="did not answer") as failure:
        await visit(url)
    assert "refused" in failure.value.why
    with pytest.raises(VisitFailed, match="did not answer"):
        await get_page("http://host.invalid/")


async def test_a_blocked_server_is_not_waited_for_longer_than_agreed(panel):
    async with visit(panel.urls["/loaded"]) as session:
        session.timeout = 0.3
        with pytest.raises(VisitFailed, match="did not answer the patch within"):
            await session.click("block")
        session.timeout = 5
        await session.click("add")  # late, but it comes
        await session.wait_for("count", value=1)
        with pytest.raises(VisitFailed, match=r"did not come in 0\.1 s") as failure:
            await session.wait_for("count", value=99, timeout=0.1)
        assert "value is 1" in failure.value.why


async def test_a_cancelled_visit_leaves_no_connection(panel):
    async def give_up(after):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after), visit(panel.urls["/loaded"]):
                await asyncio.Event().wait()

    started = time.perf_counter()
    async with visit(panel.urls["/loaded"]):
        took = time.perf_counter() - started
    for twelfths in range(20):  # while the page comes, the websocket opens, the document is pulled
        await give_up(took * twelfths / 12)
    opened, closed = "WebSocket connection opened", "WebSocket connection closed"
    assert len(panel.log.matching(opened)) > 1
    assert await _becomes(lambda: len(panel.log.matching(opened)) == len(panel.log.matching(closed)))


# -- the parts alone ---------------------------------------------------------------------------------------------


def _page(script: str, url: str = "http://host:5006/a/b/") -> Page:
    return Page(url, 200, {}, {}, f'<script>[{{"token":"abc"}}]; Bokeh.embed.{script}</script>', 0.1)


def test_where_the_websocket_is():
    plain = "embed_items(docs_json, render_items)"
    assert _page(plain).websocket_url == "ws://host:5006/a/b/ws"
    assert _page(plain, "https://host/app?x=1&y=2").websocket_url == "wss://host/app/ws?x=1&y=2"
    assert _page(plain, "http://host/").websocket_url == "ws://host/ws"
    assert _page('embed_items(docs_json, render_items, "/app")').websocket_url == "ws://host:5006/app/ws"
    assert _page('embed_items(docs_json, render_items, "/")').websocket_url == "ws://host:5006/ws"
    elsewhere = 'embed_items(docs_json, render_items, "/app", "https://other/base/app")'
    assert _page(elsewhere).websocket_url == "wss://other/app/ws"
    assert _page(plain).token == "abc" and Page("http://host", 200, {}, {}, "no", 0.1).token is None


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, math.inf, "text", [1, [2]], {"a": {"b": [1]}}, b"\x00\xff", {"k": b"raw"}],
    ids=repr,
)
def test_what_is_sent_is_what_bokeh_reads(value):
    buffers = []
    rep = json.loads(json.dumps(encode(value, buffers)))
    received = Deserializer().deserialize(Serialized(rep, [Buffer(str(i), data) for i, data in enumerate(buffers)]))
    assert received == value
    assert decode(encode(value)) == value  # the view without buffers


@pytest.mark.parametrize(
    "value",
    [
        *[np.arange(6, dtype=kind) for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32")],
        np.array([1.5, math.inf], dtype="float32"),
        np.arange(6.0).reshape(2, 3),
        np.array([True, False]),
        np.array(["a", "b"]),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}",
)
@pytest.mark.parametrize("deferred", [True, False], ids=["frames", "text"])
def test_arrays_that_bokeh_sends_are_read(value, deferred):
    sent = Serializer(deferred=deferred).serialize(value)
    content = json.dumps({"doc": {"roots": [], "title": sent.content}}, default=lambda buffer: buffer.ref)
    document = Document(content, {buffer.id: buffer.to_bytes() for buffer in sent.buffers})
    assert document.decode(document.title) == value.tolist()


def test_forgotten_models_do_not_pile_up():
    def patch(number):
        child = {"type": "object", "name": "Div", "id": f"c{number}", "attributes": {"text": str(number)}}
        new = {"kind": "ModelChanged", "model": {"id": "r"}, "attr": "children", "new": [child]}
        return json.dumps({"events": [new]})

    root = {"type": "object", "name": "Column", "id": "r", "attributes": {"children": []}}
    document = Document(json.dumps({"doc": {"roots": [root]}}), {})
    for number in range(3000):
        assert document.patch(patch(number), {}) == []
    assert list(document.models) == ["r", "c2999"] and document.text == "2999"
    assert len(document._known) < 700
    gone = {"kind": "ModelChanged", "model": {"id": "nobody"}, "attr": "x", "new": 1}
    assert "no model nobody" in document.patch(json.dumps({"events": [gone]}), {})[0]


async def _becomes(condition, timeout=5.0) -> bool:  # noqa: ASYNC109
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing announces these conditions
        await asyncio.sleep(0.01)
    return condition()


@contextlib.contextmanager
def _jupyter(folder):
    """A Jupyter server with its proxy, under the prefix that a hub would give it; yields its address."""
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += ["--ServerApp.port=0", "--ServerApp.base_url=/user/me/", "--IdentityProvider.token=secret"]
    # only the proxy: Panel's own extension alone takes seconds to import
    others = "jupyterlab notebook notebook_shim jupyter_lsp jupyter_server_terminals panel.io.jupyter_server_extension"
    command += [f"--ServerApp.jpserver_extensions={other}=False" for other in others.split()]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            port = next(m[1] for line in process.stderr if (m := re.search(r"http://127.0.0.1:(\d+)", line)))
            reader = threading.Thread(target=process.stderr.read, daemon=True)  # a full pipe would stall Jupyter
            reader.start()
            yield f"http://127.0.0.1:{port}/user/me/"
        finally:
            process.terminate()
            process.wait(10)
            reader.join()
