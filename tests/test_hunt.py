"""Real hunts, with few sessions each: the verdict, who holds it, which line, and what cannot be hunted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from hunting import hunt
from machine import alive

from sessionlab import report
from sessionlab.errors import AppFailed, AppNotFound, InvalidOption, NeedsCredentials, SessionLabError
from sessionlab.leaks import hunter, visitors
from sessionlab.loopback import free_port

pytestmark = pytest.mark.server

SHARED = """
    import asyncio, functools, threading

    KEPT, BOUNDED, RING = [], {}, [None] * 200

    @functools.lru_cache(maxsize=64)
    def look_up(key):
        return [key] * 20

    def work():
        wait = threading.Event()
        while not wait.wait(0.2):
            pass

    async def poll():
        while True:
            await asyncio.sleep(0.1)
"""
LEAKY = """
    import asyncio, logging, threading
    import panel as pn
    import shared

    button = pn.widgets.Button(name="Remember")
    button.on_click(lambda event, kept=shared.KEPT, button=button: kept.append(button))
    threading.Thread(target=shared.work, daemon=True).start()
    asyncio.get_running_loop().create_task(shared.poll())
    logging.getLogger("mine").addHandler(logging.NullHandler())
    pn.state.cache[pn.state.curdoc.session_context.id] = bytes(2000)
    pn.Column(button).servable()
"""
INNOCENT = """
    import panel as pn
    import shared

    shared.look_up(pn.state.curdoc.session_context.id)
    slider = pn.widgets.IntSlider(name="n", end=10)
    pn.Column(slider, pn.bind(lambda n: f"value {n}", slider)).servable()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hunted")

    def write(name: str, source: str):
        (path / name).write_text(textwrap.dedent(source))
        return path / name

    write("shared.py", SHARED)
    return write


@pytest.fixture
def nothing_left():
    """The hunt starts no process that outlives it."""
    yield
    left = [process for process in psutil.Process().children(recursive=True) if alive(process.pid)]
    _, left = psutil.wait_procs(left, timeout=3)
    assert not left


@pytest.fixture(scope="module")
def leaky(folder):
    return hunt(folder("leaky.py", LEAKY), sessions=24)


def culprit(result, holder: str):
    found = [c for c in result.culprits if holder in c.holder]
    assert found, f"{holder} is not among {[c.holder for c in result.culprits]}"
    return found[0]


@pytest.mark.slow("a whole hunt")
def test_every_leak_of_an_app_is_named_with_its_line(leaky):
    assert (leaky.verdict, leaky.exit_code) == ("leak", 1)
    expected = {
        "shared.KEPT": "leaky.py:7",
        "Thread(work) started at": "leaky.py:8",
        "event loop: task poll": "leaky.py:9",
        'logging.Logger "mine" handlers': "leaky.py:10",
        "panel.io.state.state.param['cache']": "leaky.py:11",
    }
    assert {h: culprit(leaky, h).location for h in expected} == expected
    assert all(culprit(leaky, h).grows_by == pytest.approx(1, abs=0.1) for h in expected)


@pytest.mark.slow("a whole hunt")
def test_chains_are_short_and_say_what_is_kept(leaky):
    assert culprit(leaky, "shared.KEPT").chain[-1] == "panel Button"
    assert all(1 <= len(c.chain) <= 8 and c.chain[0] for c in leaky.culprits)
    assert {culprit(leaky, h).owner for h in ("shared.KEPT", "Thread(work)", "param['cache']")} == {"app"}
    assert "on_session_destroyed" in culprit(leaky, "param['cache']").advice


@pytest.mark.slow("three whole hunts")
def test_a_list_of_dead_weak_references_is_a_leak_and_what_pandas_knows_of_its_views_is_not(folder):
    folder("weakly.py", "import pandas as pd\n\nSEEN, TABLE = [], pd.DataFrame({'x': range(1000)})\n")
    source = """
        import weakref
        import panel as pn
        import weakly

        page = pn.pane.DataFrame(weakly.TABLE.tail(3))
        page.servable()
    """
    result = hunt(folder("views.py", source), sessions=60)
    assert result.verdict == "bounded"
    assert "pandas drops" in culprit(result, "weakly.TABLE").chain[-1]
    noted = folder("noted.py", textwrap.dedent(source) + "weakly.SEEN.append(weakref.ref(page))\n")
    result = hunt(noted, sessions=60)
    assert result.verdict == "leak"
    assert [c.holder for c in result.culprits] == ["weakly.SEEN"]
    seen = culprit(result, "weakly.SEEN")
    assert (seen.grows_by, seen.location) == (pytest.approx(1, abs=0.1), "noted.py:8")
    assert seen.chain[-1] == "dead weak reference" and "WeakSet" in seen.advice


@pytest.mark.slow("a whole hunt")
def test_a_module_that_comes_late_is_clean_and_the_report_says_why_something_was_counted(folder):
    folder("heavy.py", "TABLES = [[number] for number in range(5000)]\n")
    folder("visits.py", "NUMBER = 0\n")
    source = """
        import panel as pn
        import visits

        visits.NUMBER += 1
        if visits.NUMBER > 25:
            import heavy
        pn.pane.Str("page").servable()
    """
    result = hunt(folder("late.py", source), sessions=60)
    assert result.verdict == "clean" and result.per_session["objects"] > result.floor["objects"]
    assert result.notes == ("these objects came once, or come and go: no place gained some with every session.",)


@pytest.mark.slow("a whole hunt")
def test_the_size_is_per_session(leaky):
    assert culprit(leaky, "param['cache']").bytes == pytest.approx(2033 + 93, rel=0.2)
    assert leaky.per_session["threads"] == pytest.approx(1, abs=0.1)
    assert leaky.per_session["bytes"] > 2000


@pytest.mark.slow("a whole hunt")
def test_the_result_shows_itself(leaky, tmp_path):
    shown = leaky.to_dict()
    assert list(shown)[:8] == [
        "app", "verdict", "sessions", "seconds", "per_session", "floor", "culprits", "errors",
    ]  # fmt: skip
    assert set(shown["per_session"]) == {"bytes", "objects", "documents", "models", "sessions", "threads"}
    assert set(shown["floor"]) == {"bytes", "objects"} and json.loads(json.dumps(shown)) == shown
    assert {"holder", "grows_by", "chain", "location", "owner", "advice"} <= set(shown["culprits"][0])
    assert "shared.KEPT" in str(leaky) and "put there at leaky.py:7" in str(leaky)
    assert "shared.KEPT" in leaky._repr_html_() and "&#10230;" in leaky._repr_html_()
    report.write_page(leaky, tmp_path / "hunt.html")
    page = (tmp_path / "hunt.html").read_text()
    assert "data:image/png;base64," in page and "alt=" in page
    axes = leaky.plot().axes
    assert len(axes[0].lines[0].get_xdata()) == len(leaky.batches)


@pytest.mark.slow("a whole hunt")
def test_a_bounded_cache_is_bounded_and_names_its_bound(folder, nothing_left):
    result = hunt(folder("innocent.py", INNOCENT), sessions=24)
    assert (result.verdict, result.exit_code) == ("bounded", 0)
    assert "maxsize=64" in culprit(result, "functools.lru_cache shared.look_up maxsize=64").chain[1]
    assert result.floor["bytes"] >= 1024 and result.floor["objects"] > 0


FORGETS = """
    import panel as pn
    import lately

    lately.keep(pn.state.curdoc.session_context.id, list(range(300)), seconds=SECONDS)
    pn.Row("kept for a while").servable()
"""
LATELY = """
    import time

    KEPT = {}

    def keep(key, value, seconds):
        now = time.monotonic()
        for old in [name for name, (when, _) in KEPT.items() if now - when > seconds]:
            del KEPT[old]
        KEPT[key] = now, value
"""


@pytest.mark.slow("a whole hunt")
@pytest.mark.parametrize(("seconds", "verdict"), [("600", "bounded"), ("float('inf')", "leak")])
def test_what_is_forgotten_after_a_while_is_no_leak(folder, nothing_left, seconds, verdict):
    folder("lately.py", LATELY)
    result = hunt(folder("forgets.py", FORGETS.replace("SECONDS", seconds)), max_seconds=300)
    assert (result.verdict, result.culprits[0].holder) == (verdict, "lately.KEPT")
    assert ("what is old is let go of" in result.culprits[0].chain) == (verdict == "bounded")


LINGERS = """
    import panel as pn
    from sessionlab.harden import block_expiration

    @block_expiration(linger=SECONDS)
    def work(event):
        done.value += 1

    done = pn.widgets.IntInput(name="done")
    pn.Column(pn.widgets.Button(name="work", on_click=work), done).servable()
"""


@pytest.mark.slow("a whole hunt")
@pytest.mark.parametrize("seconds", ["60", "3600"])
def test_sessions_that_linger_after_their_work_are_no_leak(folder, nothing_left, seconds):
    result = hunt(folder("lingers.py", LINGERS.replace("SECONDS", seconds)), sessions=24, max_seconds=300)
    assert result.verdict == "clean"
    assert any("sessions stay for a while after they are left" in note for note in result.notes)


TASK = """
    import asyncio
    import panel as pn

    pn.extension()
    done = pn.indicators.Progress(value=0)

    async def work(done=done, sleep=asyncio.sleep):
        for part in range(PARTS):
            await sleep(0.1)
            done.value = part % 100

    pn.state.onload(work)
    done.servable()
"""
THREAD = """
    import threading, time
    import panel as pn

    pn.extension()
    done = pn.indicators.Progress(value=0)

    def work(done=done, sleep=time.sleep):
        sleep(PARTS / 10)
        done.value = 100

    threading.Thread(target=work, daemon=True).start()
    done.servable()
"""


@pytest.mark.slow("a whole hunt")
@pytest.mark.parametrize(("source", "parts"), [(TASK, "20"), (THREAD, "60")], ids=["task of 2 s", "thread of 6 s"])
def test_work_that_goes_on_for_seconds_is_no_leak(folder, nothing_left, source, parts):
    # some twenty objects of the server's own timers come and go: the more sessions, the less of them is on each
    result = hunt(folder("works.py", source.replace("PARTS", parts)), sessions=48, max_seconds=300)
    assert result.verdict == "clean", result.culprits
    assert max(result.per_session["documents"], result.per_session["threads"]) < 0.1
    assert result.per_session["objects"] < 1


TIMER = """
    import threading
    import panel as pn

    pn.extension()
    done = pn.indicators.Progress(value=0)

    def finish(done=done):
        done.value = 100

    timer = threading.Timer(3600, finish)
    timer.daemon = True
    timer.start()
    done.servable()
"""


@pytest.mark.slow("a whole hunt")
def test_a_timer_lets_go_when_it_has_run_and_nothing_else_is_blamed(folder, nothing_left):
    result = hunt(folder("later.py", TIMER), sessions=24, max_seconds=300)
    assert result.verdict == "bounded", result.culprits
    assert [c.holder.partition(" ")[0] for c in result.culprits] == ["Timer(finish)"]
    assert "after 3600 s" in result.culprits[0].advice


REFRESH = """
    import asyncio

    async def fetch():
        await asyncio.sleep(1.0)

    async def refresh():
        while True:
            await asyncio.create_task(fetch())

    def start():
        return asyncio.get_running_loop().create_task(refresh())
"""
FETCHES = """
    import panel as pn
    import refreshing

    pn.extension()
    pn.state.as_cached("refresh", refreshing.start)
    pn.pane.Markdown("for all users").servable()
"""


@pytest.mark.slow("a whole hunt")
def test_what_an_app_does_all_the_time_for_everybody_is_not_waited_for(folder, nothing_left):
    folder("refreshing.py", REFRESH)
    result = hunt(folder("fetches.py", FETCHES), sessions=24, max_seconds=60)
    assert (result.verdict, result.sessions >= 24) == ("clean", True)
    assert not any("the time was up" in note for note in result.notes)


@pytest.mark.slow("a whole hunt")
def test_a_leak_beside_such_work_is_measured_as_without_it(folder, nothing_left):
    folder("refreshing.py", REFRESH + "    KEPT = []\n")
    source = FETCHES + "    refreshing.KEPT.append(bytearray(50_000))\n"
    result = hunt(folder("fetches.py", source), sessions=24, max_seconds=60)
    assert (result.verdict, result.culprits[0].holder) == ("leak", "refreshing.KEPT")
    assert not any("some work went on" in note for note in result.notes)


@pytest.mark.slow("a whole hunt")
def test_work_that_may_yet_end_when_the_time_is_up_is_not_called_a_leak(folder, nothing_left, monkeypatch):
    monkeypatch.setattr(visitors, "LONG", 600.0)  # on a slow machine ten seconds are over before the end
    result = hunt(folder("works.py", THREAD.replace("PARTS", "600")), sessions=12, max_seconds=9)
    assert result.verdict == "undecided", result.culprits
    assert any("the time was up" in note for note in result.notes)


@pytest.mark.slow("a whole hunt")
def test_a_task_that_a_library_wraps_is_named_after_the_applications_function(folder, nothing_left):
    result = hunt(folder("works.py", TASK.replace("PARTS", "10**9")), sessions=24, max_seconds=300)
    assert result.verdict == "leak"
    (culprit,) = result.culprits
    assert re.fullmatch(r"event loop: task work \(.*works\.py:8\)", culprit.holder)
    assert culprit.owner == "app" and round(culprit.grows_by) == 1
    assert "cancel()" in culprit.advice


def test_a_plain_bokeh_app_is_clean_and_served_by_bokeh(folder, nothing_left):
    source = """
        from bokeh.io import curdoc
        from bokeh.models import Slider

        slider = Slider(start=0, end=9, value=1, title="n")
        slider.on_change("value", lambda attr, old, new: None)
        curdoc().add_root(slider)
    """
    result = hunt(folder("bokeh_only.py", source), sessions=16)
    assert result.verdict == "clean" and "panel" not in result.versions
    assert "would not have been seen" in str(result)


def test_blocked_sessions_are_a_verdict_of_their_own(folder, nothing_left, monkeypatch):
    monkeypatch.setattr(hunter, "BLOCKED", 1.0)
    source = """
        import panel as pn

        pn.state.onload(lambda state=pn.state: state.block_expiration())
        pn.Column("blocked").servable()
    """
    result = hunt(folder("blocked.py", source), sessions=24)
    assert (result.verdict, result.exit_code) == ("never-expires", 1)
    assert result.culprits[0].location == "blocked.py:4"
    assert "block counts" in " ".join(result.culprits[0].chain)


@pytest.mark.slow("a whole hunt")
def test_a_scenario_file_says_what_visitors_do(folder, nothing_left):
    app = folder("quiet.py", LEAKY.split("threading.Thread")[0] + "pn.Column(button).servable()\n")
    scenario = folder("scenario.py", "async def interact(session):\n    await session.click('Remember')\n")
    assert hunt(app, sessions=16, scenario=scenario).verdict == "leak"
    assert hunt(app, sessions=16, interact=False).verdict == "clean"


BAD = {
    "raises on load": ("import panel as pn\n1 / 0\n", AppFailed, "ZeroDivisionError", ()),
    "ends the server": (
        "import os\nimport panel as pn\nb = pn.widgets.Button(name='bye')\n"
        "b.on_click(lambda e, os=os: os._exit(4))\npn.Row(b).servable()\n",
        AppFailed,
        "ended during the hunt",
        (),
    ),
    "sends to an identity provider": (
        "import panel as pn\npn.Row('x').servable()\n",
        NeedsCredentials,
        "needs credentials",
        ("--oauth-provider", "github", "--oauth-key", "k", "--oauth-secret", "s", "--cookie-secret", "abc"),
    ),
    "asks who comes": (
        "import panel as pn\npn.Row('x').servable()\n",
        NeedsCredentials,
        "needs credentials",
        ("--basic-auth", "secret", "--cookie-secret", "abc"),
    ),
    "has a port of its own": (
        "import socket\nimport panel as pn\ns = socket.socket()\ns.bind(('127.0.0.1', {port}))\ns.listen()\n"
        "pn.state.cache.setdefault('sockets', []).append(s)\npn.Row('x').servable()\n",
        AppFailed,
        "visited again",
        (),
    ),
    "is spread over processes": ("", InvalidOption, "--num-procs", ("--num-procs", "2")),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_hunted_is_an_error_and_leaves_nothing(folder, case, nothing_left):
    source, error, text, panel_args = BAD[case]
    app = folder("bad.py", source.replace("{port}", str(free_port())))
    with pytest.raises(error, match=text) as caught:
        hunt(app, panel_args=panel_args)
    assert "What to do" in str(caught.value)


def test_options_that_cannot_be_used_are_refused(folder):
    app = folder("fine.py", "import panel as pn\npn.Row('x').servable()\n")
    with pytest.raises(AppNotFound, match="did you mean"):
        hunt(str(app).replace("fine", "fin"))
    with pytest.raises(InvalidOption, match="at least"):
        hunt(app, sessions=3)
    with pytest.raises(AppNotFound, match="scenario"):
        hunt(app, scenario="nowhere.py")
    for source in ("1 / 0", "def interact(session): pass"):
        with pytest.raises(SessionLabError, match=r"scenario|async def"):
            hunt(app, scenario=folder("wrong.py", source))


@pytest.mark.slow("a whole hunt")
def test_the_command_prints_one_json_object_and_its_exit_code_tells(folder):
    app = folder("fine.py", "import panel as pn\npn.Row('x').servable()\n")

    def command(*args):
        return subprocess.run(
            [Path(sys.executable).with_name("sessionlab"), "hunt", *map(str, args)],
            capture_output=True,
            text=True,
        )

    clean = command(app, "--json", "--sessions", "12")
    assert clean.returncode == 0 and json.loads(clean.stdout)["verdict"] == "clean"
    missing = command(app.with_name("nowhere.py"), "--json")
    assert missing.returncode == 3 and "There is no application" in json.loads(missing.stdout)["error"]
    assert "Traceback" not in missing.stderr


async def test_hunting_works_within_a_running_event_loop(folder):
    app = folder("fine.py", "import panel as pn\npn.Row('x').servable()\n")
    assert hunt(app, sessions=12, interact=False).verdict == "clean"


@pytest.mark.slow("a whole hunt")
def test_every_kind_of_application_is_hunted_in_one_serve(folder, nothing_left, monkeypatch):
    kept = (
        "import panel as pn\nimport shared\n\npage = pn.Column({name!r})\nshared.{name}.append(page)\npage.servable()\n"
    )
    here = folder("kinds.txt", "").parent
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("PYTHONPATH", str(here))
    (here / "beside").mkdir()
    folder("beside/__init__.py", "SCRIPT, FOLDER, NOTEBOOK, FUNCTION = [], [], [], []\n")
    (here / "inside").mkdir()
    script = folder("script.py", kept.format(name="SCRIPT").replace("import shared", "import beside as shared"))
    folder("inside/main.py", kept.format(name="FOLDER").replace("import shared", "import beside as shared"))
    cell = kept.format(name="NOTEBOOK").replace("import shared", "import beside as shared")
    cells = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}]
    book = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    folder("pages.py", "import beside\nimport panel as pn\n\ndef make():\n    page = pn.Column('made')\n")
    with (here / "pages.py").open("a") as file:
        file.write("    beside.FUNCTION.append(page)\n    return page\n")
    setup = folder(
        "own_setup.py", "import panel as pn\nSEEN = []\npn.state.on_session_created(lambda c: SEEN.append(c))\n"
    )
    result = hunt(
        [script, here / "inside", folder("book.ipynb", book), "pages:make"],
        sessions=48,
        panel_args=["--num-threads", "2", "--setup", str(setup)],
    )
    assert result.verdict == "leak"
    for name in ("SCRIPT", "FOLDER", "NOTEBOOK", "FUNCTION"):
        assert culprit(result, f"beside.{name}").grows_by == pytest.approx(0.25, abs=0.1)
    assert culprit(result, "own_setup.SEEN").grows_by == pytest.approx(1, abs=0.1)
