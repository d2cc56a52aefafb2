"""The audit: its catalogue, what it reads, and what it finds in applications that run."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from machine import OF_3_9, browser_or_skip

from sessionlab import audit
from sessionlab.checks import flags, reading, report
from sessionlab.checks.result import AuditResult
from sessionlab.checks.rules import RULES, Finding, chosen
from sessionlab.checks.source import read_app
from sessionlab.client import browser
from sessionlab.errors import AppFailed, AppNotFound, InvalidOption, NoBrowser

ROOT = Path(__file__).parents[1]
FAULTY = ROOT / "notebooks" / "apps" / "faulty"
SOLUTIONS = ROOT / "notebooks" / "solutions"
DEPLOYED = ("--unused-session-lifetime", "61000", "--session-token-expiration", "86400", "--address", "127.0.0.1")
LONG = 600.0  # seconds: a slow machine is not what is tested


def failed(result: AuditResult) -> set[str]:
    return {check.id for check in result.of("fail")}


# -- without a server ---------------------------------------------------------------------------------------------


def test_only_and_skip_take_checks_and_groups():
    assert chosen(["reconnect.token", "hooks"], ["hooks.late"]) == ("reconnect.token", "hooks.run", "hooks.sigterm")
    assert chosen([], ["leak"]) == tuple(name for name in RULES if not name.startswith("leak."))


@pytest.mark.parametrize("only, skip, said", [(["optins"], [], "options"), (["leak"], ["leak"], "No check is left")])
def test_a_choice_that_makes_no_sense_is_refused(only, skip, said):
    with pytest.raises(InvalidOption, match=said):
        audit(FAULTY / "orders.py", only=only, skip=skip)


def test_every_check_says_why_and_names_a_chapter_that_there_is():
    chapters = {path.name[:2]: path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    for rule in RULES.values():
        name = Path(rule.chapter).name
        assert rule.why.endswith(".") and name == chapters.get(name[:2], name)


def test_flags_that_are_only_judged_are_not_served():
    words = ["other.py", "--num-procs", "4", "--address=0.0.0.0", "--dev", "--keep-alive", "5", "--args", "--port", "1"]
    read = flags.read(words)
    assert read.served == ("--keep-alive", "5", "--args", "--port", "1")
    assert read.judged == {"--num-procs": "4", "--address": "0.0.0.0", "--dev": ""}
    assert read.apps == ("other.py",)
    assert read.without("--keep-alive") == ["--args", "--port", "1"]
    assert read.has("--dev", "--admin") and not read.has("--admin") and not read.has("--port")


@pytest.mark.parametrize(
    "source, status",
    [
        ("import functools\n@functools.cache\ndef f(x): ...", "warn"),
        ("import functools\n@functools.cache\ndef f(): ...", "pass"),
        ("from functools import lru_cache as c\n@c(maxsize=None)\ndef f(x): ...", "warn"),
        ("from functools import lru_cache\n@lru_cache\ndef f(x): ...", "pass"),
        ("import panel as pn\n@pn.cache\ndef f(x): ...", "warn"),
        ("import panel as pn\n@pn.cache(ttl=60)\ndef f(x): ...", "pass"),
        ("import panel as pn\npn.state.cache[user] = 1", "warn"),
        ("import panel as pn\npn.state.cache['all'] = 1", "pass"),
    ],
)
def test_caches_without_a_bound(app, source, status):
    assert reading.caches(read_app([app(source)])).status == status


@pytest.mark.parametrize(
    "source, said",
    [
        ("import panel as pn\npn.serve(x, unused_session_lifetime=1)", "unused_session_lifetime_milliseconds"),
        ("import panel as pn\npn.serve(x, unused_session_lifetime_milliseconds=1, port=0)", None),
        ("import panel as pn\npn.extension(recconect=True)", "reconnect"),
        ("import panel as pn\npn.extension('tabulator', reconnect=True, notifications=True, template='fast')", None),
        ("import panel as pn\npn.config.notification = True", "notifications"),
        ("from bokeh.server.server import Server\nServer({}, tornado_application=X)", "tornado_application"),
        ("def f(session_context): session_context.locals['db'] = 1", "locals"),
    ],
)
def test_options_that_nobody_reads(app, source, said):
    finding = reading.options(read_app([app(source)]), {})
    assert finding.status == ("fail" if said else "pass")
    assert (said or "") in finding.measured


def test_a_variable_of_the_environment_that_nobody_reads():
    assert "BOKEH_ALLOW_WS_ORIGIN" in reading.options([], {"BOKEH_ALLOW_WS_ORIGINS": "x"}).measured
    assert reading.options([], {"BOKEH_ALLOW_WS_ORIGIN": "x", "PANEL_OF_MINE": "x"}).status == "pass"


def test_what_lies_beside_the_app_is_read(app):
    script = app("import helper")
    (script.parent / "helper.py").write_text("import panel as pn\npn.state.block_expiration()")
    (script.parent / "compose.yaml").write_text("test: curl http://127.0.0.1:5006/liveness?endpoint=/app")
    assert [place.where for place in reading.blocks(read_app([script]))] == ["helper.py:2"]
    assert [place.where for place in reading.probes_of_the_app([script])] == ["compose.yaml:1"]


def test_what_needs_no_server_starts_none(app):
    script = app("import functools, sys\nsys.exit(1)\n@functools.cache\ndef f(x): ...")
    result = audit(script, only=["leak.caches", "options"])
    assert [check.status for check in result.checks] == ["warn", "pass"] and result.green


def test_the_page_holds_every_check_and_escapes_what_it_quotes():
    finding = Finding("fail", "<script>alert(1)</script>", "do & be")
    result = AuditResult("app.py", tuple(rule.check(finding) for rule in RULES.values()), 1.0, {"panel": "1"})
    page = report.page(result)
    assert all(page.count(f'id="{name}"') == 1 for name in RULES)
    assert "<script>alert" not in page and "&lt;script&gt;" in page and "http-equiv" not in page
    assert "<script>alert" not in result._repr_html_()
    assert str(result).endswith(f"app.py: {len(RULES)} of {len(RULES)} checks failed.")


# -- applications that run ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audits():
    """The shipped faulty apps and their repaired versions, audited at the same time, without hunt and browser."""
    wanted = {"max_seconds": LONG, "browser": False, "skip": ["leak.verdict", "reconnect.token"]}
    deployed = {**wanted, "panel_args": DEPLOYED}
    jobs = {
        "orders": (FAULTY / "orders.py", wanted),
        "orders repaired": (SOLUTIONS / "10_orders.py", deployed),
        "trips": (FAULTY / "trips.py", {**wanted, "only": ["app", "sessions", "options"]}),
        "trips repaired": (SOLUTIONS / "10_trips.py", {**deployed, "only": ["app", "sessions", "options", "leak"]}),
    }
    with ThreadPoolExecutor(2) as pool:
        running = {name: pool.submit(audit, path, **options) for name, (path, options) in jobs.items()}
        return {name: future.result() for name, future in running.items()}


@pytest.mark.slow("an audit asks nine questions of servers of their own")
@pytest.mark.server
def test_the_faults_of_the_orders_are_found(audits):
    result = audits["orders"]
    assert failed(result) == {"reconnect.on", "block.scope", "hooks.run", "hooks.sigterm", "leak.notifications"}
    assert "orders.py:19" in result["block.scope"].measured and "another user" in result["block.scope"].measured
    assert "NameError: name 'orders' is not defined" in result["hooks.run"].measured
    assert result["reconnect.outages"].status == "skipped"
    assert result.exit_code == 1 and not result.green


@pytest.mark.slow("an audit asks nine questions of servers of their own")
@pytest.mark.server
def test_the_faults_of_the_trips_are_found(audits):
    result = audits["trips"]
    assert failed(result) == {"app.errors", "sessions.shared", "options.known"}
    assert "KeyError" in result["app.errors"].measured
    assert "'Note'" in result["sessions.shared"].measured


@pytest.mark.slow("an audit asks nine questions of servers of their own")
@pytest.mark.server
def test_repaired_apps_are_green(audits):
    for name in ("orders repaired", "trips repaired"):
        result = audits[name]
        assert result.green, result
    result = audits["orders repaired"]
    assert "held its own session only" in result["block.scope"].measured
    assert "close_database" in result["hooks.run"].measured and result["hooks.run"].status == "pass"
    assert "close_database" in result["hooks.sigterm"].measured and result["hooks.sigterm"].status == "pass"
    assert result["lifetime.backoff"].status == "pass" and result["network.address"].status == "pass"


@pytest.mark.slow("an audit asks nine questions of servers of their own")
@pytest.mark.server
def test_json_has_what_other_tools_read(audits):
    told = json.loads(json.dumps(audits["orders"].to_dict()))
    assert told["app"].endswith("orders.py")
    for check in told["checks"]:
        assert {"id", "status", "measured", "why", "advice", "chapter"} <= check.keys()
        assert check["status"] in ("pass", "warn", "fail", "skipped")


@pytest.mark.server
def test_flags_that_harm(app):
    result = audit(
        app(),
        only=["network", "lifetime", "server"],
        max_seconds=LONG,
        panel_args=[
            *("--allow-websocket-origin", "*", "--keep-alive", "0", "--admin", "--num-procs", "2"),
            *("--unused-session-lifetime", "900", "--liveness", "--address", "0.0.0.0"),
        ],
    )
    assert failed(result) == {
        "network.origin", "network.admin", "server.processes", "lifetime.backoff", "lifetime.load"
    }  # fmt: skip
    assert "900000" in result["lifetime.load"].advice
    assert {check.id for check in result.of("warn")} == {"network.keep_alive", "network.address"}
    assert "?endpoint=/app" in result["server.liveness"].measured


@pytest.mark.slow("an audit asks nine questions of servers of their own")
@pytest.mark.server
def test_outages_by_the_protocol(app):
    result = audit(app(), only=["reconnect"], browser=False, max_seconds=LONG)
    measured = result["reconnect.outages"].measured
    assert (
        "A moment: resumed; 10 s: resumed; 60 s: restarted after a click; a restart of the server: restarted"
        in measured
    )
    assert failed(result) == {"reconnect.token"}


@pytest.mark.slow("a browser waits as long as BokehJS waits")
@pytest.mark.server
def test_outages_in_a_browser():
    browser_or_skip()
    result = audit(FAULTY / "sensors.py", only=["reconnect"], max_seconds=LONG)
    measured = result["reconnect.outages"].measured
    assert "in Chromium. A moment: resumed; 10 s: resumed; 60 s: the page stays dead" in measured
    assert failed(result) == {"reconnect.token", *({"reconnect.arrays"} if OF_3_9 else ())}


@pytest.mark.server
def test_without_a_browser_what_needs_one_is_skipped(monkeypatch):
    def none(own):
        raise NoBrowser("There is no Chromium.")

    monkeypatch.setattr(browser, "find_chromium", none)
    result = audit(SOLUTIONS / "10_orders.py", only=["reconnect"], max_seconds=LONG)
    assert result["reconnect.on"].status == "pass" and result["reconnect.token"].status == "skipped"


# -- the command --------------------------------------------------------------------------------------------------


def command(*words) -> subprocess.CompletedProcess:
    run = [sys.executable, "-m", "sessionlab", "audit"]
    return subprocess.run([*run, *map(str, words)], capture_output=True, text=True, timeout=LONG)


@pytest.mark.server
def test_json_is_all_that_stands_on_stdout(tmp_path):
    page = tmp_path / "audit.html"
    done = command(FAULTY / "trips.py", "--json", "--only", "options,leak.caches", "--html", page)
    assert done.returncode == 1, done.stderr
    assert [check["status"] for check in json.loads(done.stdout)["checks"]] == ["warn", "fail"]
    assert "trips.py" in page.read_text()


@pytest.mark.server
def test_an_app_that_cannot_run_is_exit_code_3_and_leaves_nothing(app):
    script = app("import panel as pn\nraise ValueError('not today')")
    done = command(script, "--json", "--only", "network.origin")
    assert done.returncode == 3
    assert "not today" in json.loads(done.stdout)["why"] and "not today" in done.stderr
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(script) in (p.info["cmdline"] or [])]


@pytest.mark.server
def test_a_misspelt_name_is_exit_code_3():
    assert command(FAULTY / "order.py").returncode == 3


@pytest.mark.server
def test_errors_of_python(app):
    with pytest.raises(AppNotFound):
        audit("nowhere.py")
    with pytest.raises(AppFailed, match="could not be run"):
        audit(app("1 / 0"), only=["network.origin"])
    with pytest.raises(InvalidOption):
        audit(app(), max_seconds=0)


ENTERED = """
import panel as pn
from sessionlab.harden import persist

pn.extension()
note, number = pn.widgets.TextInput(name="Note"), pn.widgets.IntSlider(name="Number", end=9)
kind, secret = pn.widgets.Select(name="Kind", options=["a", "b"]), pn.widgets.PasswordInput(name="Password")
again = pn.widgets.TextInput(name="Note again")
note.param.watch(lambda event: setattr(again, "value", ""), "value")
%s
pn.Column(note, number, kind, secret, again).servable()
"""


@pytest.mark.slow("a browser loses its server")
@pytest.mark.server
@pytest.mark.parametrize(
    "kept, status, lost",
    [
        ("", "warn", "Note, Number, Kind"),
        ("persist(note, number, kind, again)", "pass", ""),
        ("pn.state.location.sync(number, {'value': 'number'})", "warn", "Note, Kind"),
    ],
)
def test_what_outlives_the_process_is_said_by_name(app, kept, status, lost):
    browser_or_skip()
    check = audit(app(ENTERED % kept), only=["state"], max_seconds=LONG)["state.survives"]
    assert check.status == status and check.chapter == "notebooks/09_state.ipynb", check
    if lost:
        assert lost in check.measured and "Password" not in check.measured and "harden.persist" in check.advice
    else:
        assert "had their values after the server was started anew" in check.measured


@pytest.mark.slow("a browser loses its server")
@pytest.mark.server
def test_of_what_does_not_stay_on_the_page_nothing_is_said(app):
    browser_or_skip()
    source = """
        import panel as pn

        pn.extension()
        note = pn.widgets.TextInput(name="Note")
        note.param.watch(lambda event: setattr(note, "value", ""), "value")
        note.servable()
    """
    check = audit(app(source), only=["state"], max_seconds=LONG)["state.survives"]
    assert check.status == "skipped" and "changes it back" in check.measured


@pytest.mark.server
def test_without_a_browser_nothing_is_said_of_what_outlives_the_process(app):
    check = audit(app(), only=["state"], max_seconds=LONG, browser=False)["state.survives"]
    assert check.status == "skipped" and "takes a browser" in check.measured
