"""The wheel, on a Python that has Panel and what Panel depends on, and nothing else: `harden` works there."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sessionlab import harden, visit
from sessionlab.child import Child
from sessionlab.harden import served

pytestmark = [pytest.mark.server, pytest.mark.slow("an environment of its own is installed")]

ROOT = Path(__file__).parent.parent
OTHERS = ["psutil", "rich", "matplotlib", "prometheus_client"]  # what the rest of the lab, and a plugin, use
APP = """
    import panel as pn
    from sessionlab.harden import *

    drain(grace=20, notice=0.1)
    SessionLimits(live=5, memory="8 GB").install()
    reconnect()
    pn.extension(notifications=True)
    name, count = pn.widgets.TextInput(name="name"), pn.widgets.IntInput(name="count")
    recover_inputs(name)
    session_locals().word = "kept"
    on_session_destroyed(lambda context: print("ended:", session_locals().word, flush=True))

    @block_expiration(linger=0)
    def clicked(event):
        count.value += 1

    pn.Column(pn.widgets.Button(name="add one", on_click=clicked), name, count).servable()
"""


def closure(*names: str) -> set[str]:
    """The distributions that these need, themselves included, without anybody's extras."""
    found, todo = set(), list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        todo += [re.match(r"[\w.-]+", requirement)[0] for requirement in requires if "extra ==" not in requirement]
    return found


def uv(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Arguments and environment of a Python that has the wheel, what its metadata asks for, and no more."""
    place = tmp_path_factory.mktemp("wheel")
    build = "build", "--wheel", "--out-dir", place
    built = uv(*build, "--offline")  # what builds it is kept since the environment was made
    if built.returncode:
        built = uv(*build)
    assert not built.returncode, built.stderr
    (wheel,) = place.glob("*.whl")
    site = place / "site"
    installed = uv("pip", "install", "--quiet", "--offline", "--no-deps", "--target", site, wheel)
    assert not installed.returncode, installed.stderr
    (metadata,) = importlib.metadata.distributions(name="sessionlab", path=[str(site)])
    needs = [re.match(r"[\w.-]+", line)[0] for line in metadata.requires if "extra ==" not in line]
    for name in closure(*needs):
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            (site / top).symlink_to(distribution.locate_file(top))
    return [sys.executable, "-S"], {**os.environ, "PYTHONPATH": str(site)}


def test_nothing_else_is_there(python):
    """Or the next test would show nothing."""
    command, environment = python
    code = "\n".join(
        f"try:\n import {name}\nexcept ImportError as error: print(error.name)" for name in [*OTHERS, "panel"]
    )
    done = subprocess.run([*command, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (OTHERS, "")


def test_the_wheel_carries_the_lab_and_not_the_course(python):
    site = Path(python[1]["PYTHONPATH"])
    assert (site / "sessionlab" / "server.py").exists() and (site / "sessionlab" / "py.typed").exists()
    assert not (site / "sessionlab" / "course").exists()
    (metadata,) = importlib.metadata.distributions(name="sessionlab", path=[str(site)])
    assert {entry.group for entry in metadata.entry_points} == {"console_scripts", "pytest11"}


async def test_an_application_that_uses_all_of_harden_runs(python, tmp_path):
    command, environment = python
    app = tmp_path / "app.py"
    app.write_text(textwrap.dedent(APP))
    serve = [*command, "-m", "panel", "serve", str(app), "--port", "0", "--address", "127.0.0.1"]
    child = Child(serve, environment)
    try:
        port = re.search(r":(\d+)/app", child.log.wait_for("app running at", timeout=60))[1]
        async with visit(f"http://127.0.0.1:{port}/app") as session:
            await session.click("add one")
            await session.wait_for("count", value=1)
            child.kill(signal.SIGTERM)
            assert child.wait(60) == 0, child.log.tail()
        child.log.wait_for("^ended: kept$")
    finally:
        child.stop()


@pytest.mark.parametrize("name", harden.__all__)
def test_each_function_says_what_it_replaces_and_until_when(name):
    says = " ".join(getattr(harden, name).__doc__.split())
    assert re.search(r"\b(Replaces|Adds what)\b.*(Panel 1\.|Bokeh 3\.)", says)
    assert "To be dropped when" in says


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("ps"), reason="there is no ps to ask")
def test_memory_is_read_without_a_library_where_there_is_no_proc(monkeypatch):
    before = served.resident_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert 0.5 * before < served.resident_memory() < 2 * before
