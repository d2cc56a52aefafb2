"""Solutions pass, stubs fail for the stated reason, wrong attempts are refused with a sentence that helps."""

from __future__ import annotations

import re

import pytest

from .cases import CASES

LONGEST = 300  # seconds for one verdict, in a queue, on a slow machine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case, verdicts):
    verdict = verdicts[case.id].result(timeout=LONGEST)
    assert verdict.state == case.state, str(verdict)
    assert re.search(case.says, verdict.wrong), str(verdict)
    assert re.search(case.observed, verdict.observed), str(verdict)


@pytest.mark.parametrize("name", dict.fromkeys(case.exercise.name for case in CASES))
def test_enough_is_tried(name):
    wrong = [case for case in CASES if case.exercise.name == name and case.kind not in ("solution", "stub")]
    assert len(wrong) >= 2
    assert len({case.kind for case in wrong}) == len(wrong)
    assert all(case.says for case in wrong)
