"""What the reader edits is made from the solution, and is up to date."""

from __future__ import annotations

import re

import pytest

from sessionlab.course.exercises.exercise import exercises
from sessionlab.course.exercises.regions import BadRegions, filled, solution_of, stub_of

TEXT = """import panel as pn

def cart():
    # >>> solution
    return {}
    # >>> stub
    # items = pn.state.cache
    # return items  # your turn
    # <<<
"""


def test_a_stub_has_the_second_part_and_a_solution_the_first():
    assert stub_of(TEXT).endswith("def cart():\n    items = pn.state.cache\n    return items  # your turn\n")
    assert solution_of(TEXT).endswith("def cart():\n    return {}\n")
    assert filled(TEXT, ("    return []",)).endswith("def cart():\n    return []\n")


@pytest.mark.parametrize(
    "text", ["x = 1\n", TEXT.replace("# <<<", ""), TEXT.replace("# >>> solution", ""), TEXT.replace("# >>> stub", "")]
)
def test_marks_that_do_not_match_are_refused(text):
    with pytest.raises(BadRegions):
        stub_of(text)


def test_there_must_be_as_many_parts_as_regions():
    with pytest.raises(BadRegions, match="1 regions; there are 2 parts"):
        filled(TEXT, ("a", "b"))


@pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)
def test_stub_is_that_of_its_solution(exercise):
    assert exercise.stub.read_text() == stub_of(exercise.solution.read_text()), (
        "the stub is stale: python -m sessionlab.course.exercises.regions writes it anew (over what you have edited)"
    )


@pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)
def test_exercise_is_complete(exercise):
    assert len(exercise.hints) == 3 and all(exercise.hints)
    assert exercise.title
    assert re.search("your turn|obody has marked", exercise.stub.read_text())
    assert "your turn" not in solution_of(exercise.solution.read_text())


def test_no_file_is_left_over():
    files = {exercise.file for exercise in exercises().values()}
    for exercise in exercises().values():
        for folder in (exercise.stub.parent, exercise.solution.parent):
            assert {path.name for path in folder.glob("*.py")} == files
        break
