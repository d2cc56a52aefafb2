"""The live monitor: what it shows of a real server, what it lets a visitor do, and that it does not leak itself."""

from __future__ import annotations

import asyncio
import html
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bokeh.models import ColumnDataSource
from machine import alive, browser_or_skip

from sessionlab import serve, visit
from sessionlab.client.browser import Browser
from sessionlab.course.jupyter import JupyterServer
from sessionlab.errors import ServerGone
from sessionlab.monitor import Monitor, texts
from sessionlab.monitor.charts import FAR, MOST_BARS, Charts, sync
from sessionlab.monitor.page import proxy_base
from sessionlab.monitor.record import Record
from sessionlab.monitor.watch import Watch, Watched

pytestmark = pytest.mark.usefixtures("preloaded")


@pytest.fixture(scope="module")
def server(app):
    with serve(app(), lifetime=20, check=1) as server:
        yield server


@pytest.fixture(scope="module")
def monitor(server):
    with Monitor(server) as monitor:
        yield monitor


@pytest.fixture
def quiet(server):
    """The server without the sessions of the test before."""
    server.probe.discard_unused()


def words(page) -> str:
    """All text of a monitor's page, as a reader sees it."""
    texts = [model.attributes.get("text", "") for model in page.models.values()]
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html.unescape(" ".join(map(str, texts)))))


def source(page, column: str) -> dict[str, list]:
    """The data of the chart that has such a column."""
    return next(data for m in page.models.values() if column in (data := page.value(m, "data") or {}))


def bars(page) -> dict[str, list]:
    return source(page, "height")


def shows(text: str):
    def shown(page) -> bool:
        return re.search(text, words(page)) is not None

    shown.__qualname__ = f"the text {text!r}"
    return shown


def counts(connected: int, disconnected: int):
    return shows(rf"Connected {connected} .*Disconnected {disconnected} ")


# -- a page of a running server ---------------------------------------------------------------------------------------


@pytest.mark.server
async def test_a_page_follows_sessions_that_know_nothing_of_it(server, monitor, quiet):
    async with visit(monitor.url) as page:
        async with visit(monitor.app_url), visit(server.url):
            await page.wait_for(counts(2, 0))
        await page.wait_for(counts(0, 2))
        assert re.search(r"disconnected × ?2|disconnected session", words(page))
        assert bars(page)["state"].count("disconnected") == 2


@pytest.mark.server
async def test_a_page_is_updated_at_least_once_a_second(monitor, quiet):
    async with visit(monitor.url) as page:
        axis = next(m for m in page.models.values() if m.short_type == "Range1d" and page.value(m, "end") > 1e12)
        ends, begin = [page.value(axis, "end")], time.monotonic()
        while time.monotonic() < begin + 3:
            await page.wait_for(lambda page: page.value(axis, "end") != ends[-1])
            ends.append(page.value(axis, "end"))
        assert len(ends) - 1 >= 3
        # by its own axis: what a busy machine delays, it delays for the axis as well
        assert len(ends) - 1 >= (ends[-1] - ends[0]) / 1000 - 1.5


@pytest.mark.server
async def test_visitors_are_cut_off_and_come_back(server, monitor, quiet):
    async with visit(monitor.url) as page:
        await page.set("How many", value=3)
        await page.click("Open visitors")
        await page.wait_for(counts(3, 0), timeout=10)
        await page.click("Cut")
        await page.wait_for(counts(0, 3))
        assert "3 trying to come back" in words(page)
        await page.click("Restore")
        await page.wait_for(counts(3, 0), timeout=10)
        await page.wait_for(shows("reconnected: resumed"))
        await page.click("Send away")
        await page.wait_for(counts(0, 3))


@pytest.mark.server
async def test_a_chosen_session_is_ended_and_garbage_collected(server, monitor, quiet):
    async with visit(monitor.url) as page, visit(monitor.app_url) as visitor:
        await page.wait_for(counts(1, 0))
        number = server.probe.sessions()[-1].session
        await page.set("Number", value_input="4711")
        await page.wait_for(shows("There is no session 4711 now"))
        await page.set("Number", value_input=str(number))
        await page.wait_for(shows(r"connected, \d+ s old, \d+ models"))
        await page.click("End session")
        await page.wait_for(shows(f"Session {number} has been ended"))
        await page.wait_for(counts(0, 0))
        assert visitor.closed.code == 1000
        await page.click("Collect garbage")
        await page.wait_for(shows(r"Collected [\d,]+ objects in [\d.]+ s; memory is [\d.]+ MB"))


@pytest.mark.server
async def test_a_server_that_does_not_answer_is_said_to_be_silent(server, monitor, quiet):
    async with visit(monitor.url) as page:
        await page.wait_for(shows("● Live"))
        server.kill(signal.SIGSTOP)
        try:
            await page.wait_for(shows("No answer The server has not answered for [2-5] s"), timeout=8)
        finally:
            server.kill(signal.SIGCONT)
        await page.wait_for(shows("● Live"))
        assert len(source(page, "x0")["x0"]) >= 1


@pytest.mark.slow("a monitor and what it watches, for several rounds")
@pytest.mark.server
async def test_a_page_in_a_browser_has_the_readers_theme_and_says_when_it_is_old(monitor):
    browser_or_skip()
    async with Browser() as browser:
        tab = await browser.open(monitor.url, width=800, height=900)
        page = tab.page
        await page.emulate_media(color_scheme="dark")
        background = "Bokeh.documents[0].get_model_by_name('plot-bars').background_fill_color"
        await tab.wait_for(f"{background} == '#1d2126'")
        await page.locator("#theme").click()
        await tab.wait_for(f"{background} == '#ffffff'")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 800
        assert await page.locator("#lost").is_hidden()
        monitor.server.kill(signal.SIGSTOP)
        try:
            await page.locator("#lost").wait_for(state="visible", timeout=8000)
        finally:
            monitor.server.kill(signal.SIGCONT)
        await page.locator("#lost").wait_for(state="hidden", timeout=8000)
        assert not [m for m in [*tab.console, *tab.errors] if m.level == "error"]


# -- servers that end, fork and restart -------------------------------------------------------------------------------


def seen(watch: Watch, condition, timeout: float = 10.0):
    """The first view that satisfies ``condition``."""
    deadline = time.monotonic() + timeout
    while not condition(watch.view):
        assert time.monotonic() < deadline, watch.view
        watch._ended.wait(0.05)
    return watch.view


@pytest.fixture
def watching():
    made = []

    def watch(server) -> Watch:
        made.append(Watch(Watched.of(server)))
        return made[-1]

    yield watch
    for each in made:
        each.close()


@pytest.mark.server
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
async def test_every_worker_is_watched_and_a_silent_one_is_counted(app, watching):
    with serve(app(), panel_args=["--num-procs", "2"], lifetime=20) as server:
        watch = watching(server)
        seen(watch, lambda view: view.workers == 2 and not view.unseen)
        async with visit(server.url):
            view = seen(
                watch, lambda view: view.sessions and "connected" in {r["state"] for r in view.sessions.values()}
            )
            assert {re.fullmatch(r"\d+@(\d+)", label)[1] for label in view.sessions} <= set(
                map(str, watch._record._workers)
            )
        stopped = psutil.Process(sorted(watch._record._workers)[0])
        stopped.suspend()
        try:
            assert seen(watch, lambda view: view.unseen == 1, timeout=20).trouble == ""
        finally:
            stopped.resume()


# -- the monitor's own memory -----------------------------------------------------------------------------------------

MINUTES = '''
    """A page over ten minutes of a busy server that pass in seconds, updated in a session of its own."""

    import os, time
    import panel as pn
    from sessionlab.monitor import charts, record
    from sessionlab.monitor.page import Page
    from sessionlab.monitor.watch import Watch, Watched

    record.SAMPLES = charts.SAMPLES = 100  # what is kept is full after the first button
    record.HISTORY = 60
    pn.extension()
    watch = pn.state.as_cached("watch", lambda: Watch(Watched.from_json(os.environ["SESSIONLAB_WATCHED"])))
    watch._ended.set()  # from now on it looks when it is told to
    watch._thread.join()
    history, page, second = record.Record(), Page(watch), 0

    def answers(t):
        """One visitor every two seconds, who stays for ten and is forgotten ten later."""
        common = {"pid": 1, "workers": [1], "ports": {}}
        events, n = [], t // 2
        if t % 2 == 0:
            for at, name, more in [
                (0, "created", {"via": "page", "app": "/app", "seconds": 0.01}), (0, "connected", {"connections": 1}),
                (5, "disconnected", {"connections": 0, "code": 1001}), (10, "destroyed", {"age": 20.0}),
            ]:
                events.append({"t": t, "event": name, "id": f"s{n - at}", "session": n - at, **more})
        rows = [{"id": f"s{k}", "session": k, "app": "/app", "state": "connected" if k > n - 5 else "disconnected",
                 "age": t - 2 * k, "unused": t - 2 * k - 10, "blocks": k % 7 == 0, "connections": 1, "models": 9,
                 "callbacks": 0} for k in range(max(0, n - 9), n + 1)]
        timeline = {"events": events, "next": 1, "dropped": 0, "memory": [[t, 1e8 + t % 97]], "monotonic": t}
        return [{**common, **timeline}], [{**common, "sessions": rows}]

    def run(seconds):
        global second
        for second in range(second, second + seconds):
            now = 1.7e9 + second
            history.take(*answers(second), now)
            if second % 20 == 0:
                watch._look()
            watch.view = history.view()
            with pn.io.hold():
                page.update(now)
        done.value = str(int(done.value) + 1)

    document, done = pn.state.curdoc, pn.widgets.TextInput(name="Done", value="0")
    for name, seconds in {"Begin": 300, "Go on": 400}.items():
        go = pn.widgets.Button(name=name)
        go.on_click(lambda _, seconds=seconds: document.add_next_tick_callback(lambda: run(seconds)))
        page.template.add_panel(name, go)
    page.template.add_panel("done", done)
    page.template.servable()
'''


@pytest.mark.slow("a monitor and what it watches, for several rounds")
@pytest.mark.server
async def test_updates_leave_the_monitors_memory_flat(server, app):
    with serve(app(MINUTES, "minutes.py"), env={"SESSIONLAB_WATCHED": Watched.of(server).to_json()}) as own:
        async with visit(own.url, timeout=60) as page:
            censuses = []
            for done, button in enumerate(["Begin", "Go on"], 1):
                await page.click(button)
                await page.wait_for("Done", value=str(done), timeout=60)
                censuses.append(own.probe.census(settle=True))
        growth = censuses[1].minus(censuses[0])
        assert not [name for name in ("models", "documents", "parameterized", "threads", "files") if name in growth]
        assert growth.get("objects", 0) < 80  # 400 updates and 20 questions; the samples of the latter are kept
        assert growth.get("heap", 0) < 50_000


@pytest.mark.server
async def test_a_restarted_server_is_watched_on_and_a_dead_one_is_said_to_be_gone(server, monitor):
    async with visit(monitor.url) as page:
        async with visit(server.url):
            await page.wait_for(counts(1, 0))
            server.restart()
            await page.wait_for(shows("process ended process \\d+ .*"))
            await page.wait_for(counts(0, 0))
            assert "● Live" in words(page)
        async with visit(server.url):
            await page.wait_for(counts(1, 0))
            server.kill(signal.SIGKILL)
        await page.wait_for(shows("Nobody answers at http://127.0.0.1:[0-9]+ any more: the server has ended"))
        await page.wait_for(shows("Sessions – .*Connected – "))
        await page.wait_for(lambda page: max(bars(page)["right"]) < FAR)
    with pytest.raises(ServerGone, match="has ended already"):
        server.wait()
        Monitor(server)


# -- its doors --------------------------------------------------------------------------------------------------------


@pytest.mark.slow("JupyterLab in a browser")
@pytest.mark.server
async def test_the_launcher_tile_works_under_a_base_url(tmp_path):
    with JupyterServer(tmp_path) as jupyter:
        login = {"Authorization": f"token {jupyter.token}"}
        async with visit(f"{jupyter.url}course-01-monitor/monitor", headers=login, timeout=60) as page:
            await page.wait_for(shows("● Live"), timeout=20)
            link = re.search(r'href="(/user/demo/proxy/\d+/reconnect)"', page.page.text)[1]
            async with visit(f"http://127.0.0.1:{jupyter.port}{link}", headers=login):
                await page.wait_for(counts(1, 0))
        family = psutil.Process(jupyter.child.guard.pid).children(recursive=True)
    psutil.wait_procs(family, timeout=5)
    assert not [process for process in family if alive(process.pid)]


@pytest.mark.server
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
async def test_a_server_of_fastapi_is_watched_over_its_restart(tmp_path):
    (tmp_path / "app.py").write_text(
        "from bokeh.models import Button\nfrom bokeh_fastapi import BokehFastAPI\nfrom fastapi import FastAPI\n"
        "api = FastAPI()\nBokehFastAPI({'/page': lambda doc: doc.add_root(Button(label='One'))}, app=api)\n"
    )
    with serve(tmp_path / "app.py") as server, Monitor(server) as monitor:
        async with visit(monitor.url) as page:
            await page.wait_for(shows("● Live"), timeout=20)
            async with visit(monitor.app_url):
                await page.wait_for(counts(1, 0), timeout=20)
            await asyncio.to_thread(server.restart)
            async with visit(monitor.app_url):
                await page.wait_for(counts(1, 0), timeout=20)


@pytest.mark.server
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_command_serves_until_ctrl_c_and_leaves_nothing_behind(app, monkeypatch):
    monkeypatch.delenv("SESSIONLAB_PRELOAD")  # its processes are looked for in its family
    sessionlab = str(Path(sys.executable).with_name("sessionlab"))
    command = [sessionlab, "serve", str(app()), "--", "--unused-session-lifetime", "2000"]
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    lab = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        interrupted_and_gone(lab)
    except subprocess.TimeoutExpired:
        lab.send_signal(signal.SIGABRT)  # it tells where it stands
        pytest.fail(lab.communicate()[1])
    finally:
        lab.kill()


def interrupted_and_gone(lab: subprocess.Popen) -> None:
    served, *lines, _ = [lab.stdout.readline() for _ in range(4)]
    assert served.startswith("Served by `panel serve`")
    addresses = [re.search(r"http://127\.0\.0\.1:\d+/\w+", line)[0] for line in lines]
    assert addresses[0].endswith("/app") and addresses[1].endswith("/session_monitor")
    family = psutil.Process(lab.pid).children(recursive=True)
    assert any("2000" in process.cmdline() for process in family)
    assert "Starting Bokeh server" in lab.stderr.readline()  # the server's own log
    lab.send_signal(signal.SIGINT)
    _, log = lab.communicate(timeout=20)
    assert lab.returncode == 0
    assert "Traceback" not in log
    assert not [process for process in family if alive(process.pid)]


# -- bookkeeping ------------------------------------------------------------------------------------------------------


def timeline(events=(), pid=1, monotonic=100.0, **more):
    answer = {"pid": pid, "workers": [pid], "ports": {}, "events": events, "next": 1, "dropped": 0, "memory": []}
    return {**answer, "monotonic": monotonic, **more}


def listed(*rows, pid=1):
    whole = {"app": "/app", "state": "connected", "age": 5.0, "unused": None, "blocks": 0}
    return {"pid": pid, "workers": [pid], "ports": {}, "sessions": [{**whole, **row} for row in rows]}


def event(t, name, id="a", session=1, **more):
    return {"t": t, "event": name, "id": id, "session": session, "app": "/app", "via": "page", "seconds": 0.1, **more}


def test_a_session_that_comes_again_under_its_id_has_a_bar_of_its_own():
    record = Record()
    first = [
        event(90, "created"),
        event(91, "connected", connections=1),
        event(92, "disconnected", connections=0, code=1),
    ]
    again = [event(95, "destroyed", age=5.0), event(96, "hook failed", hook="h", callback="f", error="E"),
             event(98, "created", session=2), event(98, "reconnected", session=2, outcome="restarted")]  # fmt: skip
    record.take([timeline(first + again)], [listed({"id": "a", "session": 2})], now=1000.0)
    old, new = record.view().bars
    assert [s.state for s in old.segments] == ["new", "connected", "disconnected"]
    assert (old.begin, old.end, new.begin) == (990, 995, 998)
    assert new.segments[-1].state == "connected"
    assert [(m.kind, m.number) for m in record.view().marks] == [("hook failed", old.number), ("restarted", new.number)]


def test_a_monitor_that_comes_late_takes_sessions_from_the_list():
    record = Record()
    rows = [{"id": "a", "session": 1}, {"id": "b", "session": 2, "state": "disconnected", "unused": 2.0}]
    record.take([timeline()], [listed(*rows)], now=1000.0)
    late = record.view().bars[1]
    assert [(s.state, s.begin, s.end) for s in late.segments] == [
        ("connected", 995, 998), ("disconnected", 998, float("inf"))]  # fmt: skip
    record.take([timeline()], [listed(rows[0])], now=1001.0)  # its end was not told either
    assert record.view().bars[1].end == 1001


def test_a_crowd_of_events_is_one_line_and_failures_keep_their_reason():
    record = Record()
    crowd = [event(99, "created", id=f"s{n}", session=n) for n in (3, 12, 1, 2)]
    record.take([timeline([*crowd, event(99, "refused", id="x", session=None, reason="Token is expired")])],
                [listed()], now=1000.0)  # fmt: skip
    assert [(e.kind, e.sessions, e.count) for e in record.view().events] == [
        ("created", "1 … 12", 4),
        ("refused", "", 1),
    ]
    assert record.view().events[-1].detail == "Token is expired"


def test_old_bars_are_forgotten_and_living_ones_kept():
    record = Record()
    ended = [event(90, "created"), event(91, "destroyed", age=1.0), event(90, "created", id="b", session=2)]
    record.take([timeline(ended)], [listed({"id": "b", "session": 2})], now=1000.0)
    assert len(record.view().bars) == 2
    record.take([timeline()], [listed({"id": "b", "session": 2})], now=2000.0)
    assert [bar.id for bar in record.view().bars] == ["b"]
    assert record.view().gaps == ((1000.0, 2000.0),)


def test_more_bars_than_can_be_told_apart_are_counted_not_drawn():
    record, charts = Record(), Charts()
    crowd = [{"id": f"s{n}", "session": n} for n in range(MOST_BARS + 40)]
    record.take([timeline()], [listed(*crowd)], now=1000.0)
    charts.update(record.view(), 1000.0, 60)
    assert charts.hidden == 40 and charts.bars.y_range.start == MOST_BARS - 0.5
    assert "40 bars left out" in texts.numbers(record.view(), 1000.0, charts.hidden)


@pytest.mark.parametrize(
    ("context", "base"),
    [
        ("/user/demo/course-01-monitor", "/user/demo/"),
        ("/user/demo/proxy/4711/", "/user/demo/"),
        ("/proxy/4711", "/"),
        ("", ""),
    ],
)
def test_the_base_url_is_told_from_a_tile_and_from_a_port(context, base):
    assert proxy_base(context) == base


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"x": [1, 2], "y": [3, 5]}, ["ColumnsPatched"]),
        ({"x": [1, 2, 9], "y": [3, 4, 9]}, ["ColumnsStreamed"]),
        ({"x": [1, 2, 9], "y": [3, 5, 9]}, ["ColumnsPatched", "ColumnsStreamed"]),
        ({"x": [1], "y": [3]}, ["ColumnDataChanged"]),
        ({"x": [1, 2], "y": [3, 4]}, []),
    ],
)
def test_a_source_is_told_no_more_than_what_changed(after, expected):
    from bokeh.document import Document

    source, document, told = ColumnDataSource({"x": [1, 2], "y": [3, 4]}), Document(), []
    document.add_root(source)
    document.on_change(lambda event: told.append(type(event).__name__.removesuffix("Event")))
    sync(source, after)
    assert {name: list(column) for name, column in source.data.items()} == after
    assert told == expected
