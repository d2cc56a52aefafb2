"""Solutions pass, stubs fail for the stated reason, wrong attempts are refused with a sentence that helps."""

from __future__ import annotations

import re

import pytest

from sessionlab.course.exercises.grading import grade

from .cases import CASES

pytestmark = pytest.mark.usefixtures("preloaded")

# every exercise can be solved, which takes long enough; its wrong attempts are some ninety servers more
WRONG = [pytest.mark.slow("a server for every wrong attempt")]


@pytest.mark.server
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.id, marks=[] if case.kind in ("solution", "stub") else WRONG) for case in CASES],
)
def test_verdict(case, tmp_path, record_property):
    record_property("attempt", case.id)
    verdict = grade(case.exercise, case.write(tmp_path))
    assert verdict.state == case.state, str(verdict)
    assert re.search(case.says, verdict.wrong), str(verdict)
    assert re.search(case.observed, verdict.observed), str(verdict)


@pytest.mark.parametrize("name", dict.fromkeys(case.exercise.name for case in CASES))
def test_enough_is_tried(name):
    wrong = [case for case in CASES if case.exercise.name == name and case.kind not in ("solution", "stub")]
    assert len(wrong) >= 2
    assert len({case.kind for case in wrong}) == len(wrong)
    assert all(case.says for case in wrong)
