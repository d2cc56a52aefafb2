"""A server that others have started: the agent as a plugin, watch, snapshot and diff."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sessionlab import visit
from sessionlab.agent import plugin
from sessionlab.agent.patches import Patches
from sessionlab.cli import app as cli
from sessionlab.cli_running import read_time
from sessionlab.errors import InvalidOption, NoProbe
from sessionlab.loopback import free_port
from sessionlab.probe.client import TOKEN_HEADER, Probe
from sessionlab.running import Snapshot, take, watch
from sessionlab.running.snapshot import difference, probe_of
from sessionlab.running.watching import Seen
from sessionlab.sync import run

TOKEN = "a token of these tests, and long enough"
LEAKY = """
    import panel as pn
    import kept_by_all

    kept_by_all.SEEN.append(pn.state.curdoc)
    pn.Column("# Orders", pn.widgets.TextInput(name="who", value="a secret of ann")).servable()
"""
CLEAN = """
    import panel as pn

    pn.Column("# Orders", pn.widgets.TextInput(name="who", value="a secret of ann")).servable()
"""
LIFETIMES = ["--unused-session-lifetime", "100", "--check-unused-sessions", "50"]


@pytest.fixture
def production(tmp_path):
    """`with production(source) as url`: an application served as in production, with the agent as a plugin."""
    (tmp_path / "kept_by_all.py").write_text("SEEN = []\n")

    @contextlib.contextmanager
    def started(source: str, **variables):
        app, port = tmp_path / "orders.py", free_port()
        app.write_text(textwrap.dedent(source))
        panel = Path(sys.executable).with_name("panel")
        command = [panel, "serve", app, "--port", str(port), "--plugins", "sessionlab.agent", *LIFETIMES]
        env = {**os.environ, "SESSIONLAB_TOKEN": TOKEN, "PYTHONPATH": str(tmp_path), **variables}
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path)
        url = f"http://127.0.0.1:{port}/orders"
        try:
            for _ in range(600):
                if process.poll() is not None or answers(url):
                    break
                threading.Event().wait(0.1)
            yield url
        finally:
            process.kill()
            process.wait(10)
            log.close()

    return started


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def visits(url: str, number: int) -> None:
    async def go():
        for _ in range(number):
            async with visit(url):
                pass

    run(go())


def ended(probe: Probe, number: int) -> dict:
    """The numbers of the server once so many sessions have ended."""
    for _ in range(200):
        if (numbers := probe.ask("GET", "watch"))["ended"] >= number:
            return numbers
        threading.Event().wait(0.05)
    raise AssertionError(numbers)


@pytest.mark.slow("a server of production, and its visitors")
@pytest.mark.server
@pytest.mark.parametrize(("source", "verdict"), [(LEAKY, "leak"), (CLEAN, "clean")])
def test_watch_tells_from_real_visitors(production, monkeypatch, source, verdict):
    monkeypatch.setenv("SESSIONLAB_TOKEN", TOKEN)
    with production(source) as url:
        over = threading.Event()
        people = threading.Thread(target=lambda: [visits(url, 3) for _ in iter(over.is_set, True)])
        people.start()
        try:
            done = CliRunner().invoke(
                cli, ["watch", url, "--for", "60s" if source is LEAKY else "25s", "--every", "0.2", "--json"]
            )
        finally:
            over.set()
            people.join(30)
        found = json.loads(done.stdout)
        assert (found["verdict"], done.exit_code) == (verdict, {"leak": 1, "clean": 0}[verdict]), found
        if source is LEAKY:
            assert (found["holder"], found["owner"]) == ("kept_by_all.SEEN", "app")
            assert found["chain"][-1] == "bokeh Document" and found["per_session"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow("a server of production, and its visitors")
@pytest.mark.server
def test_two_snapshots_tell_who_holds_what(production, monkeypatch, tmp_path):
    monkeypatch.setenv("SESSIONLAB_TOKEN", TOKEN)
    first, second = tmp_path / "a.snapshot", tmp_path / "b.snapshot"
    with production(LEAKY) as url:
        probe = probe_of(url)
        visits(url, 15)  # of shorter containers the lengths are not told
        begin = ended(probe, 15)["ended"]
        assert CliRunner().invoke(cli, ["snapshot", url, "-o", str(first)]).exit_code == 0
        visits(url, 20)
        end = ended(probe, begin + 20)["ended"]
        told = CliRunner().invoke(cli, ["snapshot", url, "-o", str(second)])
        assert told.exit_code == 0 and "kept_by_all.SEEN" in told.stdout and "stood still for" in told.stdout
        assert take(probe).pause < 1.0
    done = CliRunner().invoke(cli, ["diff", str(first), str(second), "--json"])  # the server is gone
    found = json.loads(done.stdout)
    assert found["sessions"] == pytest.approx(end - begin, abs=3)  # some end while it is looked at
    assert found["held"]["kept_by_all.SEEN"] == found["sessions"]
    assert found["containers"]["kept_by_all.SEEN"] == pytest.approx(found["sessions"], abs=3)
    assert found["types"]["bokeh.document.document.Document"] == pytest.approx(found["sessions"], abs=3)
    assert "kept_by_all.SEEN" in CliRunner().invoke(cli, ["diff", str(first), str(second)]).stdout
    assert b"secret of ann" not in gzip.decompress(second.read_bytes())  # names and numbers, no values
    wrong = CliRunner().invoke(cli, ["diff", str(second), str(first)])
    assert wrong.exit_code == 3 and "The first one is the later one" in wrong.stderr


ASKED = ["census", "sessions", "timeline", "elements", "containers", "holders", "pace"]
DONE = [
    "mark",
    "collect",
    "freeze",
    "elements",
    "reset",
    "extend",
    "discard",
    "end",
    "turn",
    "trace",
    "pass_time",
    "age",
]


@pytest.mark.server
def test_who_has_no_token_learns_nothing_and_who_has_it_changes_nothing(production):
    with production(CLEAN) as url:
        origin = url.rpartition("/")[0]

        def status(name: str, method: str = "GET", **headers) -> int:
            request = urllib.request.Request(f"{origin}/_sessionlab/{name}", method=method, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                text = error.read().decode()
                assert TOKEN not in text and "orders" not in text
                return error.code

        names = ["hello", "watch", "look", *ASKED]
        for headers in ({}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: TOKEN[:-1]}, {TOKEN_HEADER: TOKEN + "x"}):
            assert {status(name, **headers) for name in names} == {403}
        known = {TOKEN_HEADER: TOKEN}
        assert {status(name, **known) for name in ("hello", "watch", "look")} == {200}
        assert {status(name, **known) for name in ASKED} <= {403, 404}
        assert {status(name, "POST", **known) for name in DONE} <= {403, 404}
        assert status("watch", **known, **{"X-Forwarded-For": "10.0.0.1"}) == 404  # a proxy speaks for somebody else
        with pytest.raises(NoProbe):
            Probe(origin, TOKEN).census()
        answer = json.dumps(Probe(origin, TOKEN).ask("GET", "look", whole=1, patience=60))
        assert "secret of ann" not in answer


@pytest.mark.server
@pytest.mark.parametrize(("token", "said"), [("", "found none"), ("short", "found one of 5 characters")])
def test_without_a_token_the_server_does_not_start(production, tmp_path, token, said):
    with production(CLEAN, SESSIONLAB_TOKEN=token) as url:
        assert not answers(url)
    text = (tmp_path / "log").read_text()
    assert f"needs a token of at least {plugin.LEAST} characters" in text and said in text


def test_what_the_agent_remembers_of_sessions_has_a_bound():
    class Session:
        def destroy(self):
            pass

    ended, kept = plugin.Ended(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bokeh.server.session.ServerSession", Session)
        patches = Patches()
        ended.install(Thing(patches=patches))
        for number in range(3000):
            session = Session()
            session.document = Thing()
            kept += [session.document] if number % 30 == 0 else []
            session.destroy()
    del session
    assert len(ended._documents) < 2 * len(kept) + 2 * plugin.PRUNED
    assert ended.number == 3000 and ended.documents() == kept
    patches.undo()


class Thing:
    def __init__(self, **attributes):
        vars(self).update(attributes)


def test_an_agent_says_what_it_is_no_plugin_of():
    import sessionlab.agent

    with pytest.raises(AttributeError, match="no attribute 'SOMETHING'"):
        _ = sessionlab.agent.SOMETHING


# -- what is decided -----------------------------------------------------------------------------------------------

ROW = {
    "holder": "kept_by_all.SEEN",
    "kind": "list",
    "edges": [9],
    "below": [9],
    "items": [0],
    "length": 9,
    "owner": "app",
}


def seen(*looks: tuple[int, int, int]) -> Seen:
    """After looks at so many ended sessions, Documents that are held, and megabytes of heap."""
    found = Seen()
    for number, tops, heap in looks:
        numbers = {"ended": number, "live": 2, "heap": heap * 1_000_000}
        found.add({"numbers": numbers, "held": [{**ROW, "tops": tops}] if tops else []})
    return found


def test_what_gains_at_one_pace_is_a_leak_and_what_stopped_is_none():
    ((holder, rate),) = seen((0, 0, 50), (12, 12, 51), (30, 30, 53)).leaks()
    assert (holder.holder, rate) == ("kept_by_all.SEEN", 1.0)
    assert not seen((0, 0, 50), (12, 12, 51)).leaks()  # one window is not enough
    assert not seen((0, 0, 50), (12, 12, 51), (30, 12, 51), (54, 12, 51)).leaks()
    assert not seen((0, 0, 50), (12, 0, 50), (30, 0, 50)).leaks()


def test_the_heap_is_told_apart_from_sessions_that_live():
    found = Seen()
    for number, live in enumerate([3, 1, 4, 1, 5, 9, 2, 6]):
        heap = 50_000_000 + 300_000 * live + 2000 * 12 * number + (5_000_000 if number else 0)
        found.add({"numbers": {"ended": 12 * number, "live": live, "heap": heap}, "held": []})
        assert (found.bytes() is None) == (number < 6)
    size, error = found.bytes()
    assert size == pytest.approx(2000) and error < 1


class Told:
    """A probe that has a script: sessions ended, Documents held, and which life of the server it is."""

    def __init__(self, *script):
        self.script = list(script)

    def hello(self):
        return {}

    def ask(self, method, name, **query):
        number, tops, life = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        numbers = {"ended": number, "live": 1, "heap": None, "began": life, "limit": None, "rss": 1}
        return numbers if name == "watch" else {"numbers": numbers, "held": [{**ROW, "tops": tops}] if tops else []}


def test_a_server_that_is_started_anew_is_watched_anew():
    script = [(0, 0, 1.0), (0, 0, 1.0), (12, 12, 1.0), (12, 12, 1.0), (1, 1, 2.0), (1, 1, 2.0)]
    found = watch(Told(*script), 0.3, every=0.01)
    assert (found.verdict, found.ended) == ("undecided", 12)
    same = watch(Told(*script[:4], (30, 30, 1.0), (30, 30, 1.0)), 5.0, every=0.01)
    assert (same.verdict, same.holder, same.exit_code) == ("leak", "kept_by_all.SEEN", 1)
    assert "kept_by_all.SEEN" in str(same) and "1.00 Documents a session" in str(same)


def test_few_sessions_are_no_verdict_and_many_without_a_trace_are_one():
    assert watch(Told((0, 0, 1.0), (0, 0, 1.0), (5, 0, 1.0)), 0.1, every=0.01).verdict == "undecided"
    script = [(number, 0, 1.0) for number in (0, 0, 12, 12, 30, 30, 54, 54)]
    assert watch(Told(*script), 0.1, every=0.01).verdict == "clean"


LEAKS = [(0, 0, 1.0), (0, 0, 1.0), (12, 12, 1.0), (12, 12, 1.0), (30, 30, 1.0), (30, 30, 1.0)]
NOTHING = [(number, 0, 1.0) for number in (0, 0, 12, 12, 30, 30, 54, 54)]


@pytest.fixture
def told(monkeypatch):
    """`told(name=script)`: what the servers at these names have to say, instead of a probe."""

    def set_up(**scripts):
        monkeypatch.setattr("sessionlab.running.snapshot.probe_of", lambda url, token: Told(*scripts[url]))

    return set_up


def test_the_servers_of_one_application_are_watched_at_once(told):
    told(first=LEAKS, second=NOTHING)
    done = CliRunner().invoke(cli, ["watch", "first", "second", "--for", "0.2s", "--every", "0.01", "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["verdict"]) == (1, "leak")
    assert [(one["url"], one["verdict"]) for one in found["servers"]] == [("first", "leak"), ("second", "clean")]
    text = CliRunner().invoke(cli, ["watch", "second", "second", "--for", "0.2s", "--every", "0.01"])
    assert text.exit_code == 0 and text.stdout.count("second\n  clean: 54 sessions") == 2


@pytest.mark.server
@pytest.mark.parametrize(("name", "script"), [("leaks", LEAKS), ("clean", NOTHING)])
def test_a_leak_is_told_to_a_command_that_reads_it(told, tmp_path, name, script):
    told(server=script)
    told_of = tmp_path / "told.json"
    command = f"{sys.executable} -c \"import sys; open('{told_of}', 'w').write(sys.stdin.read())\""
    options = ["--for", "0.2s", "--every", "0.01", "--alert", command]
    done = CliRunner().invoke(cli, ["watch", "server", *options])
    assert done.exit_code == (1 if name == "leaks" else 0) and told_of.exists() == (name == "leaks")
    if name == "leaks":
        assert json.loads(told_of.read_text())["holder"] == "kept_by_all.SEEN"
        options[-1] = str(tmp_path / "no_such_command")
        failed = CliRunner().invoke(cli, ["watch", "server", *options])
        assert failed.exit_code == 1 and "--alert failed" in failed.stderr


def test_the_memory_that_a_process_may_take_is_given_or_told_by_its_container():
    class Heavy(Told):
        def ask(self, method, name, **query):
            answer = super().ask(method, name, **query)
            numbers = answer.get("numbers", answer)
            numbers |= {"heap": 10_000 * numbers["ended"], "limit": 2_000_000, "rss": 1_000_000}
            return answer

    found, given = (watch(Heavy(*LEAKS), 5.0, every=0.01, memory=memory) for memory in (None, 101_000_000))
    assert found.bytes == given.bytes == 10_000
    assert found.hours == pytest.approx(1_000_000 / 10_000 / 30 / 3600)  # 30 in what counts as a second
    assert given.hours == pytest.approx(100 * found.hours)
    assert "10.0 KB a session stay in the heap" in str(found) and "the memory limit is met in" in str(found)


def snapshot(**changes) -> Snapshot:
    numbers = {"ended": 4, "heap": 1_000_000, "began": 1.0}
    made = Snapshot(100.0, numbers, {}, {"app.Row": 3}, {"app.ROWS": 30}, [{"holder": "h", "tops": 2}], 2, 9, 0.001)
    return dataclasses.replace(made, **changes)


def test_a_difference(tmp_path):
    later = snapshot(
        at=160.0,
        numbers={"ended": 14, "heap": 3_000_000, "began": 1.0},
        types={"app.Row": 23, "app.Old": 1},
        containers={"app.ROWS": 25},
        held=[{"holder": "h", "tops": 12}],
    )
    found = difference(snapshot(), later)
    assert (found.sessions, found.minutes, found.bytes) == (10, 1.0, 2_000_000)
    assert (found.types, found.containers, found.held) == ({"app.Row": 20, "app.Old": 1}, {}, {"h": 10})
    assert "+10      1.00 a session  Documents held by h" in str(found)
    with pytest.raises(InvalidOption, match="not two moments of one server"):
        difference(snapshot(), dataclasses.replace(later, numbers={**later.numbers, "began": 2.0}))
    file = tmp_path / "a.snapshot"
    later.write(file)
    assert Snapshot.read(file) == later and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("broken", ["cut", "text", "future", "missing", "folder"])
def test_a_snapshot_that_is_none(tmp_path, broken):
    file = tmp_path / "a.snapshot"
    snapshot().write(file)
    match broken:
        case "cut":
            file.write_bytes(file.read_bytes()[:60])
        case "text":
            file.write_text("no snapshot")
        case "future":
            file.write_bytes(gzip.compress(json.dumps({"version": 2}).encode()))
        case "missing":
            file.unlink()
        case "folder":
            file = tmp_path
    with pytest.raises(InvalidOption, match="cannot be read") as error:
        Snapshot.read(file)
    assert "sessionlab snapshot" in str(error.value)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:5006", "nonsense"])
def test_an_address_that_cannot_be_asked(url):
    with pytest.raises(InvalidOption, match="cannot be asked"):
        probe_of(url)


def test_a_token_has_to_be_given(monkeypatch, tmp_path):
    monkeypatch.delenv("SESSIONLAB_TOKEN", raising=False)
    with pytest.raises(InvalidOption, match="no token"):
        probe_of("http://127.0.0.1:1")
    with pytest.raises(InvalidOption, match="There is no file"):
        probe_of("http://127.0.0.1:1", tmp_path / "none")
    gone = CliRunner().invoke(cli, ["watch", f"http://127.0.0.1:{free_port()}"], env={"SESSIONLAB_TOKEN": TOKEN})
    assert gone.exit_code == 3 and "is gone" in gone.stderr and TOKEN not in gone.output


def test_times():
    assert [read_time(text) for text in ("90", "90s", "30m", "1.5h")] == [90, 90, 1800, 5400]
    for text in ("", "soon", "0s", "-1m"):
        with pytest.raises(InvalidOption):
            read_time(text)
