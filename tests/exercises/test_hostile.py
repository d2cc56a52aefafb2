"""Whatever a wrong app does, it does to itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from sessionlab.course.exercises.check import check
from sessionlab.course.exercises.progress import Progress
from sessionlab.loopback import free_port, port_is_free

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

FORM = """
import panel as pn

pn.extension(reconnect=True)
count = pn.widgets.IntInput(name="Count", value=0)
add = pn.widgets.Button(name="Add one", on_click=lambda event: {on_click})
pn.Column(add, count).servable()
"""

HOSTILE = {
    "is not Python": ("def app(:\n", "The file is not valid Python", "line 1"),
    "raises": ("import panel as pn\n1 / 0\n", "raises an error before its page is built", "ZeroDivisionError"),
    "misses a module": ("import no_such_module\n", "raises an error before its page is built", "no_such_module"),
    "exits": (
        "import os\nos._exit(7)\n",
        "raises an error before its page is built|ends before",
        "process ended|code 7",
    ),
    "exits later": (FORM.format(on_click="__import__('os')._exit(7)"), "visitor did not find|server ended", ""),
    "has a command line of its own": ("# panel serve x.py --port 80\nimport panel as pn\n", "chooses --port", ""),
    "has half a quote": ("# panel serve x.py --title 'a\nimport panel as pn\n", "cannot be read", "No closing"),
}


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.setenv("SESSIONLAB_PROGRESS", str(tmp_path / "progress.json"))


def descendants() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def attempt(tmp_path, name: str, source: str):
    path = tmp_path / f"{name.replace(' ', '_')}.py"
    path.write_text(source)
    return check("02-blip", path)


def test_every_end_has_its_sentence_and_leaves_nothing(tmp_path):
    before = descendants()
    with ThreadPoolExecutor(4) as pool:
        run = {name: pool.submit(attempt, tmp_path, name, source) for name, (source, _, _) in HOSTILE.items()}
        verdicts = {name: future.result() for name, future in run.items()}
    for name, (_, says, observed) in HOSTILE.items():
        verdict = verdicts[name]
        assert verdict.state == "not yet", f"{name}: {verdict}"
        assert any(part in verdict.wrong for part in says.split("|")), f"{name}: {verdict}"
        assert any(part in verdict.observed for part in observed.split("|")), f"{name}: {verdict}"
    assert descendants() == before


LOUD = """
import os, sys
while True:
    os.write(1, b"x" * 100_000 + b"\\n")
"""


@pytest.mark.slow("an attempt that never ends is waited for")
@pytest.mark.parametrize("source", ["while True:\n    pass\n", LOUD], ids=["runs for ever", "writes for ever"])
def test_what_has_no_end_is_ended(source, tmp_path, monkeypatch):
    monkeypatch.setenv("SESSIONLAB_PATIENCE", "0.7")  # for the worker
    before, memory = descendants(), psutil.Process().memory_info().rss
    verdict = attempt(tmp_path, "endless", source)
    assert not verdict.passed
    assert "never gets its page done" in verdict.wrong or "did not come to an end" in verdict.wrong
    assert descendants() == before
    assert psutil.Process().memory_info().rss - memory < 100e6


@pytest.mark.slow("an attempt that never ends is waited for")
def test_a_process_and_a_port_of_its_own_are_taken_away_too(tmp_path):
    port = free_port()
    source = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-m', 'http.server', '{port}', '--bind', '127.0.0.1'], "
        "start_new_session=True)\n" + FORM.format(on_click="None")
    )
    before = descendants()
    assert "do not count" in attempt(tmp_path, "port", source).wrong
    assert port_is_free(port)
    assert descendants() == before
    assert Progress().read() == {"02-blip": {"solved": False, "tries": 1}}
