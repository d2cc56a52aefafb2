"""What the commands that run an application have in common."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

SESSIONLAB = Path(sys.executable).with_name("sessionlab")
WRITES = [("hunt", "--html"), ("audit", "--html"), ("load", "--picture"), ("load", "--html")]


@pytest.fixture
def script(app, tmp_path):
    """An application that leaves a mark when it is run."""
    mark = tmp_path / "it-ran"
    return app(f"import pathlib, panel as pn\npathlib.Path({str(mark)!r}).touch()\npn.Row().servable()"), mark


def run(*words):
    return subprocess.run([SESSIONLAB, *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize(("command", "option"), WRITES)
def test_a_file_that_cannot_be_written_is_told_before_the_app_runs(script, tmp_path, command, option):
    script, mark = script
    for file, why in ((tmp_path / "none" / "out", "There is no folder"), (tmp_path, "It is a folder")):
        done = run(command, script, option, file, "--json")
        assert done.returncode == 3, done.stdout + done.stderr
        said = json.loads(done.stdout)
        assert why in said["why"] and said["error"] in done.stderr and said["advice"] in done.stderr
        assert "Traceback" not in done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("command", ["audit", "load"])
def test_a_memory_that_is_no_size_is_told_before_the_app_runs(script, command):
    script, mark = script
    done = run(command, script, "--memory", "much")
    assert done.returncode == 3 and done.stdout == "" and "'much' is no size" in done.stderr
    assert not mark.exists()
