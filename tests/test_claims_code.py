"""Claims that the installed Panel, Bokeh and Tornado answer by themselves: no server process is needed."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import inspect
import logging
import re
from pathlib import Path

import panel as pn
import pytest
from bokeh.application import Application
from bokeh.application.application import SessionContext
from bokeh.application.handlers.function import FunctionHandler
from bokeh.application.handlers.script import ScriptHandler
from bokeh.document import Document
from bokeh.document.modules import DocumentModuleManager
from bokeh.io import curdoc
from bokeh.plotting import figure
from bokeh.server import tornado as bokeh_tornado
from bokeh.server.contexts import BokehSessionContext
from bokeh.server.server import Server
from bokeh.server.util import create_hosts_allowlist
from bokeh.server.views.ws import WSHandler
from packaging.requirements import Requirement
from packaging.version import Version
from panel.command.serve import Serve
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from sessionlab.lifetimes import ATTEMPTS, retained

pytestmark = pytest.mark.usefixtures("preloaded")

PACKAGES = ("bokeh", "panel", "tornado")


def sources(*packages: str):
    """The Python and JavaScript files of installed packages, without their own tests."""
    for package in packages:
        for folder in importlib.util.find_spec(package).submodule_search_locations:
            for path in Path(folder).rglob("*"):
                if path.suffix in (".py", ".js", ".ts") and "tests" not in path.parts:
                    yield path


def bokehjs() -> str:
    folder = Path(importlib.util.find_spec("bokeh").submodule_search_locations[0], "server/static/js")
    return (folder / "bokeh.js").read_text()


# -- defaults and flags -------------------------------------------------------------------------------------------


def test_the_defaults_of_the_flags():
    assert bokeh_tornado.DEFAULT_UNUSED_LIFETIME_MS == 15_000
    assert bokeh_tornado.DEFAULT_CHECK_UNUSED_MS == 17_000
    assert bokeh_tornado.DEFAULT_KEEP_ALIVE_MS == 37_000
    assert bokeh_tornado.DEFAULT_STATS_LOG_FREQ_MS == 15_000
    assert bokeh_tornado.DEFAULT_MEM_LOG_FREQ_MS == 0
    assert bokeh_tornado.DEFAULT_SESSION_TOKEN_EXPIRATION == 300
    assert bokeh_tornado.DEFAULT_WEBSOCKET_MAX_MESSAGE_SIZE_BYTES == 20 * 1024 * 1024


def test_the_constants_of_the_backoff():
    source = bokehjs()
    assert re.search(r"MAX_RECONNECTION_ATTEMPTS = 5;", source)
    waits = [0, 2, 4, 8, 16]  # 0, then 2 ** n
    assert [sum(waits[: n + 1]) for n in range(5)] == [0, 2, 6, 14, 30] == list(ATTEMPTS)
    assert sum(2**n for n in range(6)) == 63, "what the guide's 1, 2, 4, 8, 16 and 32 s would come to"


@pytest.fixture
def flags():
    """The parser of `panel serve`."""
    parser = argparse.ArgumentParser()
    Serve(parser)
    return parser


def test_durations_on_the_command_line_are_whole_milliseconds(flags, capsys):
    given = flags.parse_args(["app.py", "--unused-session-lifetime", "30000", "--check-unused-sessions", "5000"])
    assert (given.unused_session_lifetime, given.check_unused_sessions) == (30000, 5000)
    for wrong in ("1.5", "15s"):
        with pytest.raises(SystemExit) as stop:
            flags.parse_args(["app.py", "--unused-session-lifetime", wrong])
        assert stop.value.code == 2 and f"invalid int value: '{wrong}'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["unused_session_lifetime_milliseconds", "check_unused_sessions_milliseconds"])
def test_zero_is_refused(option):
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"{option} must be > 0"):
            bokeh_tornado.BokehTornado(Application(), **{option: wrong})


def test_every_option_of_the_lists_exists(flags):
    known = {option for action in flags._actions for option in action.option_strings}
    named = ["--unused-session-lifetime", "--check-unused-sessions", "--session-token-expiration", "--keep-alive"]
    named += ["--stats-log-frequency", "--mem-log-frequency", "--log-level", "--num-procs", "--num-threads"]
    named += ["--liveness", "--liveness-endpoint", "--admin", "--setup", "--dev", "--autoreload", "--session-history"]
    named += ["--rest-session-info", "--warm", "--reuse-sessions", "--allow-websocket-origin", "--plugins"]
    assert set(named) <= known


def test_pn_serve_takes_the_right_names_and_swallows_wrong_ones():
    options = dict(port=0, address="127.0.0.1", start=False, show=False, verbose=False)
    right = dict(unused_session_lifetime_milliseconds=30000, check_unused_sessions_milliseconds=5000)
    server = pn.serve(lambda: pn.Row("hello"), **right, **options)
    assert server._tornado._unused_session_lifetime_milliseconds == 30000
    assert server._tornado._check_unused_sessions_milliseconds == 5000
    server.stop()
    server = pn.serve(lambda: pn.Row("hello"), unused_session_lifetime=1000, **options)
    assert server._tornado._unused_session_lifetime_milliseconds == 15000
    assert server._tornado.settings["unused_session_lifetime"] == 1000
    server.stop()


def test_a_longer_retention_multiplies_the_memory():
    """The example of the memory guide, 300 000 and 60 000 ms, against the defaults."""
    default = retained(arrivals=1, lifetime=15, check=17)
    advised = retained(arrivals=1, lifetime=300, check=60)
    assert 300 / 15 == 20
    assert round(advised / default) == 14


def test_a_refresh_every_ten_seconds_keeps_two_or_three():
    """The forum's own example."""
    assert retained(arrivals=0.1, lifetime=15, check=17) == pytest.approx(2.35)


# -- reconnect ----------------------------------------------------------------------------------------------------


def test_panel_admits_a_bokeh_that_cannot_reconnect():
    needs = {r.name: r.specifier for r in map(Requirement, importlib.metadata.requires("panel")) if not r.marker}
    assert Version("3.7.0") in needs["bokeh"], "older than the 3.8 that reconnecting needs"
    assert Version("3.9.2") in needs["bokeh"] and Version("3.10.0") not in needs["bokeh"]


def test_reconnect_takes_three_settings():
    assert pn.config.param.reconnect.default is False
    assert set(pn.config.param.reconnect.objects) == {False, True, "prompt"}
    with pytest.raises(ValueError):
        pn.config.reconnect = "always"


# -- the memory guide's code --------------------------------------------------------------------------------------


def test_a_hook_has_one_argument_and_is_kept_once():
    doc = Document()

    def hook(session_context):
        pass

    doc.on_session_destroyed(hook)
    doc.on_session_destroyed(hook)
    assert len(doc.session_destroyed_callbacks) == 1
    with pytest.raises(ValueError, match=re.escape("must have signature func(session_context), got func()")):
        doc.on_session_destroyed(lambda: None)


def test_curdoc_is_another_document_in_a_function_handler():
    seen = {}

    def modify_doc(doc):
        seen["same"] = curdoc() is doc
        curdoc().on_session_destroyed(lambda session_context: None)
        seen["registered"] = len(doc.session_destroyed_callbacks)

    Application(FunctionHandler(modify_doc)).create_document()
    curdoc().callbacks._session_destroyed_callbacks.clear()
    assert seen == {"same": False, "registered": 0}


def test_the_function_handler_of_the_guide_makes_a_document():
    def modify_doc(doc):
        plot = figure()
        plot.line([1, 2], [3, 4])
        doc.add_root(plot)

    assert len(Application(FunctionHandler(modify_doc)).create_document().roots) == 1


def test_a_session_context_has_no_locals():
    assert not hasattr(SessionContext, "locals") and not hasattr(BokehSessionContext, "locals")
    names = {name for name in dir(BokehSessionContext) if not name.startswith("_")}
    real = {"destroyed", "id", "logout_url", "request", "server_context", "session", "token_payload"}
    assert names >= real and "locals" not in inspect.getsource(BokehSessionContext)


def test_globals_of_a_script_belong_to_the_session(tmp_path):
    """Each session runs the script in a module of its own; only what the script imports is shared."""
    script = tmp_path / "script.py"
    script.write_text("import string\nfrom bokeh.io import curdoc\nmine = []\ncurdoc().template_variables.update(")
    with script.open("a") as file:
        file.write("mine=mine, shared=string)\n")
    application = Application(ScriptHandler(filename=str(script)))
    one, two = (application.create_document().template_variables for _ in range(2))
    assert one["mine"] is not two["mine"] and one["shared"] is two["shared"]


@pytest.fixture
async def server():
    """A Bokeh server with the option that the guide invented, and one more that is misspelt."""

    class CustomTornado(bokeh_tornado.BokehTornado):
        pass

    application = Application(FunctionHandler(lambda doc: None))
    invented = dict(tornado_application=CustomTornado, unused_sesion_lifetime=1)
    server = Server({"/": application}, port=0, address="127.0.0.1", io_loop=IOLoop.current(), **invented)
    yield server
    server.stop()


async def test_an_invented_option_is_swallowed(server):
    assert type(server._tornado) is bokeh_tornado.BokehTornado
    assert {"tornado_application", "unused_sesion_lifetime"} <= set(server._tornado.settings)


async def test_start_returns_at_once(server):
    assert server.start() is None
    assert not server._stopped
    assert {"run_until_shutdown", "io_loop"} <= set(dir(server))


def test_the_tornado_hooks_of_the_guide_are_inventions():
    assert not hasattr(bokeh_tornado.BokehTornado, "on_connection_close")
    assert not hasattr(WSHandler, "get_session_context")
    assert list(inspect.signature(RequestHandler.on_connection_close).parameters) == ["self"]  # Tornado's, no handler
    assert hasattr(bokeh_tornado.BokehTornado, "client_lost") and hasattr(WSHandler, "on_close")


def test_no_source_knows_a_failure_to_release_a_session():
    known = {"Failed to release session": 0, "Failed to run session destroy hooks": 0, "came back to life": 0}
    for path in sources(*PACKAGES):
        if path.suffix == ".py":
            text = path.read_text(errors="replace")
            known = {words: count + text.count(words) for words, count in known.items()}
    assert known.pop("Failed to release session") == 0
    assert all(known.values()), "the nearest that there are"


def test_panel_replaces_the_destroy_that_looks_for_referrers():
    from panel.io.application import Application as PanelApplication
    from panel.io.document import _destroy_document

    assert "extra unexpected referrers" in inspect.getsource(DocumentModuleManager.destroy)
    assert "extra unexpected referrers" not in inspect.getsource(_destroy_document)
    assert PanelApplication().create_document().destroy.func is _destroy_document


def test_a_wildcard_origin_is_accepted_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert create_hosts_allowlist(["*"], 5006) == ["*"]
    assert "will allow connections originating from multiple (or possibly all) hostnames or IPs" in caplog.text


def test_the_log_level_can_be_set_by_an_environment_variable(monkeypatch):
    from bokeh.settings import Settings

    monkeypatch.setenv("BOKEH_PY_LOG_LEVEL", "debug")
    assert Settings().py_log_level() == logging.DEBUG


def test_panel_layouts_behave_like_lists():
    column = pn.Column("a")
    column.append("b")
    column.insert(0, "c")
    assert [pane.object for pane in column] == ["c", "a", "b"]
    column.remove(column[0])
    column.pop(0)
    assert len(column) == 1
    column.clear()
    assert len(column) == 0


def test_a_widget_exists_at_once_and_its_models_only_when_it_is_shown():
    slider = pn.widgets.IntSlider(value=3)
    assert slider.value == 3 and not slider._models
    model = slider.get_root()
    assert len(slider._models) == 1 and model.value == 3
