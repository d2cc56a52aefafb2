"""The language for experiments: who takes part, what they do, what is noted of them; and nothing is left."""

from __future__ import annotations

import json
import signal

import psutil
import pytest
from machine import browser_or_skip, children

from sessionlab import experiment
from sessionlab.client import storage
from sessionlab.course import recorded
from sessionlab.errors import AppFailed, InvalidOption, NeedsCredentials, NoBrowser, VisitFailed
from sessionlab.experiments import Experiment, Table, stage, user
from sessionlab.experiments.notes import Notes
from sessionlab.experiments.plans import plans
from sessionlab.harden import persisting, recover

COUNTER = """
import panel as pn

pn.extension(notifications=True, reconnect=True)
note = pn.widgets.TextInput(name="Note", value=pn.state.location.query_params.get("note", ""))
seen = pn.widgets.IntInput(name="Seen", value=0, disabled=True)
add = pn.widgets.Button(name="Count one", on_click=lambda event: seen.param.update(value=seen.value + 1))
pn.Column(note, seen, add).servable()
"""


@pytest.fixture
def app(tmp_path):
    file = tmp_path / "counter.py"
    file.write_text(COUNTER)
    return file


def is_server(pid: int) -> bool:
    """Whether it is one; the browser of an event loop stays as long as the process."""
    try:
        return "serve" in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def nothing_stays():
    before = children()
    yield
    assert [pid for pid in children() - before if is_server(pid)] == []


# -- who takes part ---------------------------------------------------------------------------------------------------


def test_one_user_for_each_value_of_a_list():
    one, two = plans("app.py", (), {"mode": ["off", "on"], "lifetime": 2})
    assert (one.name, one.query, one.options, one.suffix) == ("off", {"mode": "off"}, {"lifetime": 2}, "?mode=off")
    assert one.same_server(two)
    one, two = plans("app.py", (), {"lifetime": [2, 30]})
    assert [one.name, two.name] == ["2", "30"] and not one.same_server(two)
    assert [plan.name for plan in plans(["a/in.py", "a/out.py"], (), {})] == ["in", "out"]
    assert [plan.name for plan in plans("a.py", ("Ann", "Ben"), {})] == ["Ann", "Ben"]
    (one,) = plans("app.py", (), {"panel_args": ["--args", "stock"]})
    assert one.options == {"panel_args": ["--args", "stock"]}
    both = plans("app.py", (), {"panel_args": [["--args", "a"], ["--args", "b"]]})
    assert [plan.name for plan in both] == ["a", "b"]


@pytest.mark.parametrize(
    ("app", "users", "settings", "what"),
    [
        (["a.py", "b.py"], ("Ann",), {}, "the application and users"),
        ("a.py", ("Ann",), {"mode": [1]}, "mode and users"),
        ("a.py", (), {"mode": [1, 2], "lifetime": [3, 4]}, "mode and lifetime"),
        ("a.py", (), {"mode": []}, "mode is an empty list"),
        ([], (), {}, "the application is an empty list"),
    ],
)
def test_what_differs_has_to_be_plain(app, users, settings, what):
    with pytest.raises(InvalidOption, match=what):
        plans(app, users, settings)


def test_a_clock_is_of_a_page():
    with pytest.raises(InvalidOption, match="clock=True"):
        experiment("a.py", clock=True)


# -- what is noted ----------------------------------------------------------------------------------------------------


def test_a_table_has_a_row_for_each_moment_and_user():
    notes = Notes()
    notes.add("", "off", "Seen", 1)
    notes.add("", "on", "Seen", None)
    assert notes.table() == Table(("", "Seen"), (("off", "1"), ("on", "")))
    notes = Notes()
    notes.add("before", "app", "Seen", 1)
    notes.add("after", "app", "notice", "<lost>")
    assert notes.table() == Table(("", "Seen", "notice"), (("before", "1", ""), ("after", "", "<lost>")))
    assert str(notes.table()).splitlines()[2] == "after         <lost>"
    assert "&lt;lost&gt;" in notes.table()._repr_html_()
    notes.add("after", "other", "Seen", 3)
    assert notes.table().heads == ("", "", "Seen", "notice")


# -- what happens -----------------------------------------------------------------------------------------------------


@pytest.mark.server
async def test_users_of_one_server(app, nothing_stays):
    async with experiment(app, users=["Ann", "Ben"], note="hello") as users:
        assert len(users) == 2 and len({user.server.pid for user in users}) == 1
        await users["Ann"].click("Count one")
        await users.cut()
        await users.reconnected()
        await users["Ben"].fill("Note", "from Ben")
        await users.note("Seen", "Note", "session", twice=lambda user: 2 * len(user.name))
    assert users.table() == Table(
        ("", "Seen", "Note", "session", "twice"),
        (("Ann", "1", "hello", "the same", "6"), ("Ben", "0", "from Ben", "the same", "6")),
    )


@pytest.mark.server
async def test_a_session_that_was_lost_and_a_page_that_was_loaded_again(app, nothing_stays):
    async with experiment(app, lifetime=0.3, check=0.1) as users:
        await users.refuse()
        await users.expired()
        await users.note("session", at="away")
        await users.restore()
        await users.reconnected()
        await users.note("session", at="back")
        await users.reload()
        await users.note("session", at="loaded again")
    assert [row[-1] for row in users.table().rows] == ["ended", "another, under the same id", "another"]


JOBS = """
import asyncio
import panel as pn

result = pn.widgets.TextInput(name="Result", value="none yet", disabled=True)

async def work(event):
    print("work began", flush=True)
    with pn.state.block_expiration():
        await asyncio.sleep(0.5)
        result.value = "42"
    print("work ended", flush=True)

pn.Column(result, pn.widgets.Button(name="Work", on_click=work)).servable()
"""


KEPT = """
import panel as pn
from sessionlab.harden import persist, recover_inputs

pn.extension()
note, page = pn.widgets.TextInput(name="Note"), pn.widgets.TextInput(name="Page")
persist(note, key="user" if pn.state.user else "tab")
recover_inputs(page)
pn.Column(note, page, pn.widgets.TextInput(name="Who", value=pn.state.user or "")).servable()
"""


@pytest.mark.server
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_tab_keeps_what_the_server_gives_it_over_a_reload_and_a_restart(tmp_path, nothing_stays, how):
    app = tmp_path / "kept.py"
    app.write_text(KEPT)
    env = {"SESSIONLAB_STORE": str(tmp_path), "BOKEH_SECRET_KEY": "the same"}
    async with experiment(app, users=["Ann"], env=env) as users:
        await users.fill("Note", "hers")
        await users.fill("Page", "hers, too")
        await users.wait(1)
        for name, come_back in {"reload": users.reload, "restart": lambda: users.restart(how)}.items():
            await come_back()
            await users.reconnected()  # after a reload she is there already
            await users.wait_for("Note", "hers")
            await users.wait_for("Page", "hers, too")
            await users.note("session", "Note", at=name)
        await users.enter("Ben")
        await users["Ben"].note("Note", at="a new tab")
    lines = [line.split() for line in str(users.table()).splitlines()[1:]]
    assert lines == [
        ["reload", "Ann", "another", "hers"],
        ["restart", "Ann", "another", "hers"],
        ["a", "new", "tab", "Ben"],
    ]


@pytest.mark.server
async def test_users_log_in_under_their_names(tmp_path, nothing_stays):
    app = tmp_path / "kept.py"
    app.write_text(KEPT)
    login = ["--basic-auth", "secret", "--cookie-secret", "signs"]
    env = {"SESSIONLAB_STORE": str(tmp_path)}
    async with experiment(app, users=["Ann", "Ben", "Ann again"], login="secret", panel_args=login, env=env) as users:
        await users.note("Who")
    assert [line.split()[-1] for line in str(users.table()).splitlines()[1:]] == ["Ann", "Ben", "Ann"]
    with pytest.raises(NeedsCredentials, match="was refused"):
        async with experiment(app, users=["Ann"], login="wrong", panel_args=login, env=env):
            pass
    with pytest.raises(InvalidOption, match="without a browser"):
        experiment(app, login="secret", browser=True)


def test_the_storage_of_a_tab_knows_the_messages_of_harden():
    assert storage.KINDS == (persisting.TYPE, recover.TYPE)


@pytest.mark.server
async def test_who_comes_later_who_leaves_and_what_the_server_says(tmp_path, nothing_stays):
    (tmp_path / "jobs.py").write_text(JOBS)
    async with experiment(tmp_path / "jobs.py", users=["Ann"], lifetime=0.2, check=0.1) as users:
        await users.begin("Work")
        await users.logged("work began")
        await users.note("blocks", at="at work")
        await users.logged("work ended")
        await users.wait_for("Result", "42")  # the page hears of it a moment after the log
        await users.note("blocks", "log", "Result", at="done")
        await users.enter("Ben")
        await users["Ann"].leave()
        await users.lifetime_passed()
        await users.note("session", at="later")
        lives = await users.timeline()
        await users["Ben"].begin("Work")
        await users["Ben"].logged("work ended")
    assert users.table().rows == (
        ("at work", "Ann", "1", "", "", ""),
        ("done", "Ann", "0", "work ended", "42", ""),
        ("later", "Ann", "", "", "", "ended"),
        ("later", "Ben", "", "", "", "the same"),
    )
    assert {event["session"] for event in lives.events} == {"Ann", "Ben"}
    with pytest.raises(InvalidOption, match="is over"):
        await users.enter("Cid")


@pytest.mark.server
async def test_what_does_not_happen_is_an_error_after_a_while(tmp_path, nothing_stays, monkeypatch):
    monkeypatch.setattr(user, "PATIENCE", 0.5)
    monkeypatch.setattr(user, "LOGGED", 0.5)
    (tmp_path / "jobs.py").write_text(JOBS)
    async with experiment(tmp_path / "jobs.py", users=["Ann"], lifetime=0.2, check=0.1) as users:
        with pytest.raises(VisitFailed, match=r"session of Ann does not end.\n1 connections, and 0 blocks"):
            await users.expired()
        with pytest.raises(VisitFailed, match="no further line of the log had 'work began'"):
            await users.logged("work began")


@pytest.mark.server
async def test_time_that_passes_on_the_server(app, nothing_stays):
    async with experiment(app, lifetime=3600, check=3600) as users:
        await users.cut()
        await users.pass_time(7300)
        await users.note("session")
    assert users.table().rows == (("counter", "ended"),)


@pytest.mark.server
async def test_a_wrong_word_is_an_error_that_says_what_there_is(app, nothing_stays):
    async with experiment(app, users=["Ann"]) as users:
        with pytest.raises(InvalidOption, match=r"no user 'Bea'.*\n.*Ann"):
            users["Bea"]
        with pytest.raises(InvalidOption, match="browser=True"):
            await users.note("notice")
        with pytest.raises(InvalidOption, match="browser=True"):
            await users.click_notice()
        with pytest.raises(VisitFailed, match="'Send'"):
            await users.click("Send")


@pytest.mark.server
async def test_when_one_application_fails_no_other_is_left(app, tmp_path, nothing_stays):
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    app.write_text("import time\ntime.sleep(3)\n" + COUNTER)  # it is up when the other has failed long ago
    before = children()
    with pytest.raises(AppFailed):
        async with experiment([app, broken]):
            raise AssertionError("it must not begin")
    assert [pid for pid in children() - before if is_server(pid)] == [], "also before the event loop is closed"


@pytest.mark.server
async def test_in_a_browser(app, nothing_stays):
    browser_or_skip()
    async with experiment(app, browser=True, clock=True, lifetime=60) as users:
        await users.click("Count one")
        await users.refuse()
        await users.wait(3)
        await users.note("attempts", "notice", "Seen", at="away")
        await users.restore()
        await users.wait(10)
        await users.reconnected()
        await users.note("notice", "session", "console", at="back")
    away, back = users.table().rows
    assert away[:4] == ("away", "[0, 2]", "Server connection lost. Attempting to reconnect in N seconds…", "1")
    assert back == ("back", "", "Connection with server was re-established.", "", "the same", "")
    await stage._browsers.popitem()[1].close()


REPLACES = """
import panel as pn

def seen(number):
    return pn.widgets.IntInput(name="Seen", value=number, disabled=True)

shown = pn.Column(seen(0))
add = pn.widgets.Button(name="Count one", on_click=lambda event: shown.__setitem__(0, seen(1)))
pn.Column(shown, add).servable()
"""


@pytest.mark.server
async def test_what_is_noted_of_a_page_is_what_is_drawn(tmp_path, nothing_stays):
    browser_or_skip()
    (tmp_path / "replaces.py").write_text(REPLACES)
    async with experiment(tmp_path / "replaces.py", browser=True) as users:
        await users.note("Seen", at="before")
        await users.click("Count one")
        await users.note("Seen", at="after")
    assert users.table().rows == (("before", "0"), ("after", "1"))
    await stage._browsers.popitem()[1].close()


# -- without a browser ------------------------------------------------------------------------------------------------


@pytest.fixture
def no_chromium(monkeypatch):
    monkeypatch.setenv("CHROME_PATH", "/nowhere/chromium")
    stage._browsers.clear()


@pytest.mark.server
async def test_without_a_browser_the_recording_is_shown(app, no_chromium, tmp_path, monkeypatch, capsys, nothing_stays):
    monkeypatch.setattr(Experiment, "recorder", recorded.Recordings(tmp_path))
    recording = {"versions": {"panel": "1.0", "bokeh": "2.0"}, "heads": ["", "Seen"], "rows": [["on", "1"]]}
    (tmp_path / "x.json").write_text(json.dumps({**recording, "alt": "A page"}))
    (tmp_path / "x.png").write_bytes(b"PNG")
    async with experiment(app, mode=["off", "on"], browser=True, name="x") as users:
        await users["on"].click("Count one")
        await users.note("Seen")
        shown = await users.screenshot("A page")
        with pytest.raises(AttributeError):
            users.no_such_verb  # noqa: B018
    assert users.table() == Table(("", "Seen"), (("on", "1"),)) and shown.png == b"PNG"
    assert "This was recorded with panel 1.0, bokeh 2.0:" in capsys.readouterr().out


@pytest.mark.server
async def test_without_a_recording_it_is_said_what_is_missing(app, no_chromium, tmp_path, monkeypatch):
    for recorder in (None, recorded.Recordings(tmp_path)):
        monkeypatch.setattr(Experiment, "recorder", recorder)
        with pytest.raises(NoBrowser):
            async with experiment(app, browser=True, name="y"):
                raise AssertionError("it must not begin")


@pytest.mark.server
async def test_what_is_recorded_is_what_was_seen(app, tmp_path, monkeypatch):
    browser_or_skip()
    monkeypatch.setenv("SESSIONLAB_RECORD", "1")
    monkeypatch.setattr(Experiment, "recorder", recorded.Recordings(tmp_path))
    async with experiment(app, browser=True, name="z") as users:
        await users.note("Seen")
        await users.screenshot("A counter")
    kept = json.loads((tmp_path / "z.json").read_text())
    assert (kept["heads"], kept["rows"], kept["alt"]) == (["", "Seen"], [["counter", "0"]], "A counter")
    assert (tmp_path / "z.png").read_bytes() == bytes(users.screenshots[0])
    await stage._browsers.popitem()[1].close()
