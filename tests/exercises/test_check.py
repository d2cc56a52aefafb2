"""The check in a process of its own, the commands, hints, and what is remembered."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from sessionlab.cli import app as cli
from sessionlab.course import check, hint, progress, solution
from sessionlab.course.exercises.exercise import UnknownExercise, exercises, find
from sessionlab.course.exercises.progress import Progress
from sessionlab.course.exercises.regions import solution_of
from sessionlab.course.exercises.verdict import Verdict
from sessionlab.errors import AppNotFound, SessionLabError

pytestmark = pytest.mark.usefixtures("preloaded")


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    path = tmp_path / "kept" / "progress.json"
    monkeypatch.setenv("SESSIONLAB_PROGRESS", str(path))
    return path


@pytest.mark.server
def test_a_check_tells_what_it_does_and_remembers(tmp_path, file):
    path = tmp_path / "mine.py"
    path.write_text(solution_of(find("02-blip").solution.read_text()))
    said = []
    verdict = check("02-blip", path, say=said.append)
    assert verdict.passed and verdict.exit_code == 0, str(verdict)
    assert said[-1] == "" and "02-blip: starting your app …" in said and len(said) >= 4
    assert str(progress()).startswith(f"1 of {len(exercises())} exercises solved")
    assert Progress().solved("02-blip") and not Progress().solved("02-lost")


def test_what_is_solved_stays_solved(file):
    for passed in (False, True, False):
        Progress().note("02-blip", passed)
    assert json.loads(file.read_text()) == {"02-blip": {"solved": True, "tries": 2}}


@pytest.mark.parametrize("content", ["", "[]", '{"02-blip": 3}', '{"02-b'])
def test_a_broken_file_is_no_error(file, content):
    file.parent.mkdir()
    file.write_text(content)
    assert not Progress().solved("02-blip")
    Progress().note("02-blip", True)
    assert Progress().solved("02-blip")


@pytest.mark.parametrize("arguments", [["check"], ["check", "02-blip"], ["hint", "02-blip"], ["solution", "02-blip"]])
def test_where_the_lab_alone_is_installed_the_course_is_said_to_be_elsewhere(arguments, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    failed = CliRunner().invoke(cli, arguments)
    assert isinstance(failed.exception, SessionLabError) and "make lab" in str(failed.exception)


def test_hints_come_one_by_one_and_then_the_solution():
    shown = [str(hint("02-blip")) for _ in range(4)]
    assert [re.match(r"Hint (\d) of 3", text)[1] for text in shown] == ["1", "2", "3", "3"]
    assert 'hint("02-blip") gives the next one' in shown[1]
    assert 'solution("02-blip")' in shown[2]
    assert str(hint("02-blip", 1)) in shown[0]
    assert str(solution("02-blip")) == solution_of(find("02-blip").solution.read_text())


def test_an_exercise_is_found_by_its_file_too():
    assert find("02_blip") is find("notebooks/exercises/02_blip.py") is find("02-blip")


def test_unknown_names_are_explained():
    with pytest.raises(UnknownExercise, match="did you mean '02-blip'"):
        check("02-blib")
    with pytest.raises(AppNotFound, match="no file nothing"):
        check("02-blip", "nothing.py")


def test_a_verdict_shows_itself():
    verdict = Verdict("02-blip", "not yet", ("it counts",), "It <does> not come back.", "one line\nand another")
    assert str(verdict).splitlines() == [
        "✘ 02-blip: not yet",
        "  right:      it counts",
        "  not yet:    It <does> not come back.",
        "  observed:   one line",
        "              and another",
    ]
    assert "It &lt;does&gt; not" in verdict._repr_html_()
    assert verdict.exit_code == 1 and verdict.to_dict()["state"] == "not yet"


@pytest.mark.server
def test_the_commands(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def half(:\n")
    run = CliRunner().invoke
    checked = run(cli, ["check", "02-blip", "--json", "--file", str(path)])
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["wrong"] == "The file is not valid Python."
    assert "✘ 02-blip: not yet" in run(cli, ["check", "02-blip", "--file", str(path)]).stdout
    assert f"0 of {len(exercises())} exercises solved" in run(cli, ["check"]).stdout
    assert "Hint 2 of 3" in run(cli, ["hint", "02-blip", "2"]).stdout
    assert "reconnect=True" in run(cli, ["solution", "02-blip"]).stdout
