"""Each function of ``harden``, wherever Panel serves: it works, or it says at the call what to do.

The table that these tests print (``pytest -s tests/test_harden_everywhere.py -k table``) stands in chapter 08.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import textwrap
import urllib.error
import urllib.request

import nbformat
import pytest
from machine import browser_or_skip
from nbclient import NotebookClient

from sessionlab import Outage, harden, serve, visit
from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.errors import ServerNotReady
from sessionlab.loopback import free_port

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow("a browser loses its server in nine ways of serving"),
    pytest.mark.xdist_group("harden_everywhere"),  # the last test looks at what the others have seen
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]

PAGE = """
import panel as pn
from sessionlab.harden import block_expiration, on_session_destroyed, persist, reconnect, recover_inputs, session_locals

def page():
    count = pn.widgets.IntInput(name="Count", value=0)
    kept = pn.widgets.TextInput(name="Kept")
    own = session_locals()
    own.number = 7
    on_session_destroyed(lambda context, number: print("ended with", number, flush=True), own.number)

    def add(event):
        with block_expiration(linger=60):
            count.value += session_locals().number
            kept.value = "in the store"

    reconnect()
    recover_inputs(count)
    persist(kept)
    return pn.Column(pn.widgets.Button(name="Add", on_click=add), count, kept)
"""
SERVED = PAGE + "\npage().servable()\n"
PROCESS = """
from sessionlab.harden import SessionLimits, drain, metrics
SessionLimits(live=1).install()
drain(grace=5, notice=0.2, hooks=2)
"""
PROGRAM = PAGE + "\n%s\npn.serve(page, port={port}, show=False%s)\n"
EMBEDDED = (
    PAGE
    + """
from bokeh.server.server import Server
%s
def app(doc):
    page().server_doc(doc)

server = Server({{"/app": app}}, port={port}%s)
server.start()
server.run_until_shutdown()
"""
)
FASTAPI = (
    PAGE
    + """
from fastapi import FastAPI
from panel.io.fastapi import add_application

api = FastAPI()
add_application("/app", app=api)(page)
"""
)
ROUTES = ", extra_patterns=metrics.ROUTES"


def notebook(source: str) -> str:
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


# way -> (file, text of it, options of `serve`)
WAYS = {
    "panel serve, script": ("app.py", SERVED, {}),
    "panel serve, folder": ("app/main.py", SERVED, {}),
    "panel serve, notebook": ("app.ipynb", notebook(SERVED), {}),
    "panel serve, --num-threads": ("app.py", SERVED, {"panel_args": ["--num-threads", "4"]}),
    "bokeh serve": ("app.py", SERVED, {"framework": "bokeh"}),
    "pn.serve(function)": ("app.py", PROGRAM % ("", ""), {}),
    "Server(...)": ("app.py", EMBEDDED % ("", ""), {}),
    "FastAPI": ("app.py", FASTAPI, {}),
}


OUTCOMES: dict[tuple[str, str], str] = {}  # function, column of the table -> what it did
OF_A_SESSION = [
    "block_expiration", "on_session_destroyed", "session_locals", "reconnect", "recover_inputs", "persist"
]  # fmt: skip
OF_A_PROCESS = ["SessionLimits", "drain", "metrics"]


def note(names: list[str], way: str, outcome: str) -> None:
    column = {"pn.serve(function)": "pn.serve"}.get(way, way.partition(",")[0])
    for name in names:
        assert OUTCOMES.setdefault((name, column), outcome) == outcome


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(name, text, **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(port=free_port()) if "{port}" in text else text)
        app = path.parent if path.name == "main.py" else path
        env = {"BOKEH_SECRET_KEY": "of a test", "SESSIONLAB_STORE": str(tmp_path / "store")}
        return serve(app, lifetime=60, check=30, env=env, **options)

    return start


@pytest.fixture
async def browser():
    browser_or_skip()
    async with Browser() as browser:
        yield browser


@pytest.mark.parametrize("way", WAYS)
async def test_what_belongs_to_a_session_works(start, browser, way):
    name, text, options = WAYS[way]
    with start(name, text, **options) as server, Outage(server) as wire:
        async with await browser.open(wire.url) as tab:
            await tab.click("Add")
            await tab.wait_for("Bokeh.documents[0].is_idle")
            await tab.page.wait_for_function(COUNTED)  # session_locals
            await tab.settle()
            wire.cut()
            await tab.page.get_by_text("Your session goes on where it was.").wait_for(timeout=15_000)  # reconnect
            await tab.settle()
            assert await tab.value("Count") == 7
            wire.refuse()
            await tab.page.get_by_text("The connection is lost.").first.wait_for(timeout=15_000)
            kept = server.probe.discard_unused().kept
            assert [session.blocks for session in kept] == [1]  # block_expiration, for its linger
            server.pass_time(61)
            server.probe.discard_unused()
            assert not server.probe.sessions()
            server.log.wait_for("ended with 7", timeout=5)  # on_session_destroyed
            wire.restore()
            await tab.page.get_by_text("your session had ended").wait_for(timeout=15_000)
            await tab.page.get_by_text("what you had entered is back").wait_for(timeout=15_000)  # persist
            assert await tab.value("Kept") == "in the store"
            await tab.page.wait_for_function(COUNTED)  # recover_inputs
            assert len(server.probe.sessions()) == 1
        assert not [line for line in server.read_log() if "Traceback" in line]
    note(OF_A_SESSION, way, "works")


COUNTED = """() => Bokeh.documents.some(doc => doc.roots().some(root => [...root.references()].some(
    model => model.title === "Count" && model.value === 7)))"""


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


PLUGINS = ["--plugins", "process", "--plugins", "sessionlab.harden.metrics"]
PROCESSES = {
    "panel serve, script": ("app.py", SERVED, {"panel_args": PLUGINS}),
    "pn.serve(function)": ("app.py", PROGRAM % (PROCESS, ROUTES), {}),
    "Server(...)": ("app.py", EMBEDDED % (PROCESS, ROUTES), {}),
    "bokeh serve": ("app.py", PROCESS + SERVED, {"framework": "bokeh"}),
}


@pytest.mark.parametrize("way", PROCESSES)
async def test_what_belongs_to_a_process_works(start, tmp_path, monkeypatch, way):
    name, text, options = PROCESSES[way]
    (tmp_path / "process.py").write_text(PROCESS + "ROUTES = []\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with start(name, text, **options) as server:
        async with visit(server.url):
            status, text = get(server.url)  # SessionLimits
            assert status == 503 and "full" in text
            if way != "bokeh serve":  # which takes no routes
                status, text = get(server.origin + "/metrics")
                assert status == 200 and "sessions" in text
            server.kill(signal.SIGTERM)
            assert server.wait(10) == 0  # drain
        assert "ended with 7" in "\n".join(server.log)
    note(OF_A_PROCESS[:2], way, "works")
    note(["metrics"], way, "counts only" if way == "bokeh serve" else "works")


@pytest.mark.parametrize("part", ["SessionLimits", "drain", "metrics"])
def test_fastapi_refuses_at_the_call_what_it_cannot_bear(start, part):
    lines = {
        "SessionLimits": "from sessionlab.harden import SessionLimits\nSessionLimits(live=1).install()",
        "drain": "from sessionlab.harden import drain\ndrain()",
        "metrics": "import sessionlab.harden.metrics",
    }
    with pytest.raises(ServerNotReady) as error:
        start("app.py", FASTAPI + textwrap.dedent(lines[part]))
    assert f"{part} does nothing in FastAPI" in error.value.why
    note([part], "FastAPI", "RuntimeError")


def fields(table: list[list[str]]) -> dict[tuple[str, str], str]:
    head, *rows = table
    return {(row[0], column): field for row in rows for column, field in zip(head, row[1:], strict=True)}


def in_the_chapter() -> list[list[str]]:
    """The same table, as chapter 08 shows it."""
    cells = nbformat.read(NOTEBOOKS / "08_production.ipynb", as_version=4).cells
    (text,) = [cell.source for cell in cells if "## Where do the fixes work?" in cell.source]
    lines = text.partition("## Where do the fixes work?")[2].partition("\n## ")[0].replace("`", "").splitlines()
    head, _, *rows = [[field.strip() for field in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return [head[1:], *rows]


CALLS = """
import panel as pn
from sessionlab.harden import (
    SessionLimits, block_expiration, drain, on_session_destroyed, persist, reconnect, recover_inputs, session_locals)

def block():
    with block_expiration():
        pass

def metrics():
    import sessionlab.harden.metrics

calls = dict(
    block_expiration=block,
    on_session_destroyed=lambda: on_session_destroyed(print),
    session_locals=session_locals,
    reconnect=reconnect,
    recover_inputs=lambda: recover_inputs(pn.widgets.IntInput(name="Count")),
    persist=lambda: persist(pn.widgets.IntInput(name="Count")),
    SessionLimits=SessionLimits(live=1).install,
    drain=drain,
    metrics=metrics,
)
for name, call in calls.items():
    try:
        call()
        print(name, "nothing")
    except Exception as error:
        print(name, type(error).__name__)
"""


def test_in_a_kernel_that_serves_nothing(tmp_path):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CALLS)])
    NotebookClient(made, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = "".join(output["text"] for output in made.cells[0].outputs)  # a busy machine sends it in pieces
    said = dict(line.split() for line in text.splitlines())
    for name, outcome in said.items():
        quiet = "waits for one" if name in OF_A_PROCESS else "does nothing"
        note([name], "no server", quiet if outcome == "nothing" else outcome)


def test_the_table_is_what_was_seen():
    """After all others of this module: the table in the docstring of ``harden`` holds what they have seen."""
    lines = [line.strip() for line in harden.__doc__.splitlines() if line.startswith("    ") and "   " in line.strip()]
    told = fields([re.split(r" {2,}", line) for line in lines])
    assert len(told) == 54
    assert told == fields(in_the_chapter())
    if len(OUTCOMES) < len(told) and not os.environ.get("CI"):
        pytest.skip(f"only {len(OUTCOMES)} of {len(told)} fields were tried: run the whole module")
    print(*lines, sep="\n")
    assert told == OUTCOMES
