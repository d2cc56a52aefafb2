"""Claims that only a running server can answer. The servers start at once and are shared."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from bokeh.document.config import DocumentConfig
from machine import browser_or_skip

from sessionlab import Outage, serve, visit
from sessionlab.client.browser import open_tab
from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.errors import AppFailed

pytestmark = pytest.mark.server

PLAIN = """
    import panel as pn

    pn.extension()
    pn.widgets.IntSlider(name="slider").servable()
"""
CONFIG = """
    import panel as pn

    pn.config.reconnect = True
    pn.config.notifications = True
    pn.config.disconnect_notification = "Gone for a moment."
    pn.widgets.IntSlider(name="slider").servable()
"""
EXTENSION = """
    import panel as pn

    pn.extension(notifications=True, reconnect=True)
    pn.widgets.IntSlider(name="slider").servable()
"""
FOR_EVER = """
    import panel as pn

    pn.extension()
    pn.widgets.Button(name="block", on_click=lambda event: pn.state.block_expiration()).servable()
"""
# The suspects of the forum thread that need nothing but Panel: nothing of them may stay.
SUSPECTS = {
    "containers": """
        import panel as pn

        pn.extension()
        number = pn.widgets.IntSlider(name="number")
        tabs = pn.Tabs(("a", pn.Column(pn.Row(number, "text"), pn.Card("card"))), ("b", pn.Accordion(("c", "d"))))
        pn.Column(tabs, pn.bind(str, number), pn.indicators.LoadingSpinner(), pn.indicators.Gauge()).servable()
    """,
    "template": """
        import panel as pn

        pn.extension(template="fast")
        number = pn.widgets.IntSlider(name="number").servable(target="sidebar")
        pn.Column(pn.bind(str, number)).servable()
    """,
    "reading": """
        import os, panel as pn, pandas as pd

        pn.extension()
        number = pn.widgets.IntSlider(name="number")

        def read(number):
            return pd.read_pickle(os.environ["PICKLE"]).head(number + 1)

        pn.Column(number, pn.bind(read, number)).servable()
    """,
    "kept": """
        import os, panel as pn, pandas as pd

        pn.extension()
        table = pd.read_pickle(os.environ["PICKLE"])
        number = pn.widgets.IntSlider(name="number")
        pn.Column(number, pn.bind(lambda number: table.head(number + 1), number)).servable()
    """,
}
# A module object in a cell of a closure that outlives the session: what the thread's message showed.
REFERRER = """
    import sys
    import panel as pn

    pn.extension()
    me = sys.modules[__name__]

    def hold():
        return me

    def closure(module=None):
        module = me
        return lambda: module

    pn.kept = getattr(pn, "kept", []) + [closure()]
    pn.widgets.IntSlider(name="slider").servable()
"""
HOOKS = {
    "main.py": """
        import panel as pn

        pn.extension()
        pn.state.on_session_destroyed(lambda context: print("HOOK document"))
        pn.widgets.IntSlider(name="slider").servable()
        print("HOOK script")
    """,
    "app_hooks.py": """
        def on_server_loaded(server_context):
            print("HOOK loaded", flush=True)

        def on_session_created(session_context):
            print("HOOK created", flush=True)

        def on_session_destroyed(session_context):
            print("HOOK destroyed", flush=True)

        def on_server_unloaded(server_context):
            print("HOOK unloaded, sessions:", len(server_context.sessions), flush=True)
    """,
}
INVENTED = """
    from bokeh.io import curdoc

    curdoc().session_context.locals["data_cache"] = []
"""
NO_COUNT_MAY_GROW = ("documents", "models", "session_objects", "app_modules", "dataframes", "parameterized", "sessions")


@pytest.fixture(scope="module")
def servers(app, tmp_path_factory):
    """Every server of this module by name. They start together, since starting is mostly waiting."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("claims")
    pd.DataFrame({"x": range(1000)}).to_pickle(folder / "table.pkl")
    hooked = folder / "hooked"
    hooked.mkdir()
    for name, source in HOOKS.items():
        (hooked / name).write_text(textwrap.dedent(source))
    trace = ["--log-level", "trace", "--stats-log-frequency", "300", "--mem-log-frequency", "300"]
    short = dict(lifetime=0.5, check=0.2)
    referrer = app(REFERRER, "referrer.py")
    many = {"plain": PLAIN, "config": CONFIG, "extension": EXTENSION, "forever": FOR_EVER}
    plans = {
        "many": dict(
            app=[app(source, f"{name}.py") for name, source in (many | SUSPECTS).items()],
            panel_args=["--mem-log-frequency", "300"],
            env={"PICKLE": str(folder / "table.pkl")},
            **short,
        ),
        "trace": dict(app=app(PLAIN), panel_args=trace, keep_alive=0.02, **short),
        "panel": dict(app=referrer, panel_args=["--dev"], **short),
        "bokeh": dict(app=referrer, framework="bokeh", **short),
        "hooked": dict(app=hooked, env={"PYTHONUNBUFFERED": "1"}, **short),
        "workers": dict(app=app(PLAIN), panel_args=["--num-procs", "2"]),
    }
    with ThreadPoolExecutor(len(plans)) as pool:
        starting = {name: pool.submit(serve, **plan) for name, plan in plans.items()}
        try:
            yield {name: future.result() for name, future in starting.items()}
        finally:
            started = [future.result() for future in starting.values() if not future.exception()]
            list(pool.map(lambda server: server.stop(), started))


async def until(condition, what: str, seconds: float = 30.0):
    """The first true value of ``condition()``, which may block for a moment."""
    deadline = time.monotonic() + seconds
    while not (value := await asyncio.to_thread(condition)):
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s"
        await asyncio.sleep(0.05)
    return value


def ids(server, app: str = "") -> set[str]:
    return {session.id for session in server.probe.sessions() if session.app.endswith(app)}


# -- sessions -----------------------------------------------------------------------------------------------------


async def test_a_connected_session_outlives_the_lifetime(servers):
    """Two sessions, one connected and idle, one left. When the second has gone, the first is older, and there."""
    server = servers["many"]
    async with visit(server.urls["/plain"]) as idle:
        async with visit(server.urls["/plain"]) as left:
            pass
        await until(lambda: left.id not in ids(server), "end of the session that was left")
        assert idle.id in ids(server)
        await idle.roundtrip()


async def test_a_block_that_is_never_released_keeps_every_session_that_was_there(servers):
    server = servers["many"]
    url = server.urls["/forever"]
    async with visit(url) as bystander, visit(url) as blocker:
        await blocker.click("block")
        blocks = {session.id: session.blocks for session in server.probe.sessions()}
        assert blocks[bystander.id] == blocks[blocker.id] == 1
    async with visit(url) as later:
        pass
    await until(lambda: later.id not in ids(server), "end of the later session")
    assert {bystander.id, blocker.id} == ids(server, "/forever")


async def test_several_processes_run_the_script_twice_for_one_page(servers):
    """With ``--num-procs`` the page and its websocket go to whichever process takes them."""
    server = servers["workers"]
    server.probe.reset()

    async def come_and_go():
        async with visit(server.url):
            pass

    pages = 0
    while server.probe.census().created <= pages:
        assert pages < 150, "each of these pages was built once"
        await asyncio.gather(*(come_and_go() for _ in range(15)))
        pages += 15


async def test_a_reconnect_finds_the_session_in_its_own_process_only(servers):
    """Which process takes a websocket, chance decides; here the other one is held, as by a long callback."""
    server = servers["workers"]

    async def come_back(session, held: int):
        await session.drop()
        psutil.Process(held).suspend()
        try:
            await session.reconnect()
        finally:
            psutil.Process(held).resume()
        return session.value("slider")

    async with visit(server.url) as session:
        await session.set("slider", value=3)
        # a websocket that another worker takes than the page's may look like one that comes back
        opened = ("connected", "reconnected")
        events = server.probe.timeline().events
        (own,) = {e["pid"] for e in events if e["event"] in opened and e["id"] == session.id}
        (other,) = set(server.probe.census().pids) - {own}
        assert await come_back(session, held=other) == 3
        assert await come_back(session, held=own) == 0, "a new session, in the other process"


# -- reconnecting -------------------------------------------------------------------------------------------------


async def test_both_ways_to_switch_reconnecting_on_reach_the_page(servers):
    found = {}
    for name in ("plain", "config", "extension"):
        async with visit(servers["many"].urls[f"/{name}"]) as session:
            # what is left out has Bokeh's own default, which is True
            found[name] = session.document.config.attributes.get("reconnect_session", True)
    assert found == {"plain": False, "config": True, "extension": True}
    assert DocumentConfig().reconnect_session is True


async def test_the_message_of_ones_own_gets_a_tail(servers):
    browser_or_skip()
    with Outage(servers["many"].urls["/config"]) as wire:
        async with open_tab(wire.url) as tab:
            wire.refuse()
            await tab.wait_for(lambda: [toast for toast in tab.toasts if "in 1 seconds" in toast.text], timeout=30)
            shown = [toast.text for toast in tab.toasts if toast.what != "gone"]
    tail = re.compile(r"Gone for a moment\. (Reconnecting now|Attempting to reconnect in \d seconds)\W*")
    assert all(tail.fullmatch(text) for text in shown), shown


# -- logs ---------------------------------------------------------------------------------------------------------


async def test_what_the_log_says_of_sessions_and_of_memory(servers):
    """At level trace: counts of clients and sessions, what is cleaned up, and "uncollected" that are in use."""
    server = servers["trace"]
    log = server.log
    await until(lambda: not ids(server), "empty server")
    async with AsyncExitStack() as pages:
        sessions = [await pages.enter_async_context(visit(server.url)) for _ in range(4)]
        first = len(log.lines)
        wanted = ("4 clients connected", "/app has 4 sessions with 0 unused", "uncollected Sessions: 4")
        await until(lambda: all(any(w in line for line in log.lines[first:]) for w in wanted), "the counts in the log")
        assert len(sessions) == 4
    await until(lambda: not ids(server), "end of the sessions")
    await asyncio.to_thread(server.read_log)  # the server's words come through a pipe
    for text in (
        r"Scheduling \d+ sessions to discard",
        r"Discarding session '\w+' last in use [\d.]+ milliseconds ago",
        r"Session '\w+' was successfully discarded",
        r"Running session cleanup job",
        r"Memory usage: [\d.]+ MB \(RSS\)",
    ):
        assert log.matching(text), text


async def test_below_debug_the_log_has_the_memory_and_no_counts(servers):
    log = servers["many"].log
    await until(lambda: log.matching(r"Memory usage: [\d.]+ MB \(RSS\), [\d.]+ MB \(VMS\)"), "the memory")
    assert not log.matching("uncollected") and not log.matching("clients connected")


# -- what does not leak -------------------------------------------------------------------------------------------


async def grown(server, before, visits: int = 1, moment: float = 5.0) -> dict[str, int]:
    """What has grown by one and more for each of ``visits``, and has not gone after a ``moment`` (in seconds).

    Less is what a process keeps once, for instance the Document in whose session Panel began to clean up its busy
    counts. A busy indicator goes off half a second after the work, and keeps its session's objects until then: what
    leaks is still there at the last look.
    """
    deadline = time.monotonic() + moment
    while True:
        server.probe.discard_unused()
        growth = server.probe.census(settle=True).minus(before)
        growth = {kind: growth[kind] for kind in NO_COUNT_MAY_GROW if growth.get(kind, 0) >= visits}
        if not growth or time.monotonic() > deadline:
            return growth
        await asyncio.sleep(0.2)


@pytest.mark.slow("a whole hunt")
async def test_the_suspects_of_the_thread_leave_nothing(servers):
    """Containers and widgets, a template, a pickle that is read in a function or kept by the script."""
    server = servers["many"]

    async def one(name):
        async with visit(server.urls[f"/{name}"]) as session:
            await session.set("number", value=5)

    async def visits(rounds):
        for _ in range(rounds):
            await asyncio.gather(*map(one, SUSPECTS))
        server.probe.discard_unused()

    await visits(4)
    before = server.probe.census(settle=True)
    await visits(12)
    assert not await grown(server, before, 12)


@pytest.mark.slow("a whole hunt")
async def test_plotly_and_datashader_leave_nothing():
    """Hovering over a Plotly pane, as its page tells the server of it, and points that Datashader draws."""
    names = ("plotly_hover", "datashaded")
    with serve([NOTEBOOKS / f"apps/casebook/suspects/{name}.py" for name in names]) as server:

        async def one(name):
            async with visit(server.urls[f"/{name}"]) as session:
                for model in [m for m in session.models.values() if m.short_type == "PlotlyPlot"]:
                    for number in range(5):
                        await session.set(model, hover_data={"points": [{"pointIndex": number}]})

        async def visits(rounds):
            for _ in range(rounds):
                await asyncio.gather(*map(one, names))
            server.probe.discard_unused()

        await visits(3)
        before = server.probe.census(settle=True)
        await visits(8)
        assert not await grown(server, before, 8)
        assert not server.log.matching("referrers")


async def test_fifty_pings_leave_nothing(servers):
    """An idle page, pinged every 20 ms: what the default does in half an hour."""
    server = servers["trace"]
    pings = lambda: len(server.log.matching("Running keep alive job"))  # noqa: E731
    async with visit(server.url):
        before, first = server.probe.census(settle=True), pings()
        await until(lambda: pings() - first >= 50, "fifty pings")
        assert not await grown(server, before, 50)


# -- "extra unexpected referrers" ---------------------------------------------------------------------------------


async def test_extra_referrers_are_reported_by_bokeh_serve_and_never_by_panel_serve(servers):
    for name in ("panel", "bokeh"):
        async with visit(servers[name].url) as session:
            await session.set("slider", value=1)  # the application runs, message or not
    for name in ("panel", "bokeh"):
        await until(lambda server=servers[name]: not ids(server), "end of the session")
    await until(lambda: servers["bokeh"].log.matching("has extra unexpected referrers!"), "the message")
    for name in ("panel", "bokeh"):
        await asyncio.to_thread(servers[name].read_log)
    assert servers["bokeh"].log.matching("<cell at 0x")
    assert not servers["panel"].log.matching("referrers")


# -- hooks --------------------------------------------------------------------------------------------------------


def said(server) -> list[str]:
    return [line.split("HOOK ")[1].strip() for line in server.log.matching("HOOK ")]


async def test_lifecycle_hooks_run_in_order_and_none_of_a_session_at_the_end(servers):
    server = servers["hooked"]
    async with visit(server.url):
        pass
    await until(lambda: said(server).count("document") == 2, "hooks of both sessions")  # serve() had looked first
    assert said(server)[:3] == ["loaded", "created", "script"] and said(server)[-2:] == ["destroyed", "document"]
    before = len(said(server))
    async with visit(server.url):
        server.kill(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait) == 0
    assert said(server)[before:] == ["created", "script", "unloaded, sessions: 1"], "no session-destroyed hook"


def test_session_context_locals_ends_in_an_error_page(app):
    with pytest.raises(AppFailed, match="'BokehSessionContext' object has no attribute 'locals'"):
        serve(app(INVENTED), framework="bokeh")


# -- around the server --------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="how processes are named differs by system")
def test_a_monitor_that_looks_for_bokeh_misses_panel(app):
    scripts = Path(sysconfig.get_path("scripts"))
    commands = {
        "bokeh": [scripts / "bokeh", "serve"],
        "panel": [scripts / "panel", "serve"],
        "python": [sys.executable, "-m", "panel", "serve"],
    }
    path = app(PLAIN)
    for name, command in commands.items():
        server = subprocess.Popen(
            [*command, path, "--port", "0", "--address", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            found = psutil.Process(server.pid).name()
        finally:
            server.kill()
            server.wait()
        assert found.startswith(name), found
        assert ("bokeh" in found) == (name == "bokeh")


def test_under_bokeh_serve_the_first_session_is_another_one(tmp_path):
    """The first session is built before the script has imported Panel, and has Bokeh's own settings."""
    code = """
        from bokeh.application import Application
        from bokeh.application.handlers.script import ScriptHandler
        application = Application(ScriptHandler(filename="app.py"))
        for _ in range(2):
            print(application.create_document().config.reconnect_session)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(PLAIN))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True", "False"], done.stderr
