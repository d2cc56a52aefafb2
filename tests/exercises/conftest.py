"""The table of all attempts, after the tests that graded them."""

from __future__ import annotations

import os

os.environ.setdefault("SESSIONLAB_PATIENCE", "3")  # read when the graders are imported: a busy machine is no failure

from .cases import CASES


def pytest_terminal_summary(terminalreporter):
    """Exercises x (solution passes, stub fails for the stated reason, wrong attempts refused)."""
    passed = {
        dict(report.user_properties).get("attempt"): report.passed
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if getattr(report, "when", "") == "call"
    }
    passed.pop(None, None)
    if not passed:
        return
    terminalreporter.section("exercises")
    terminalreporter.write_line(f"{'exercise':<16}{'solution passes':<18}{'stub fails':<14}wrong attempts refused")
    for name in dict.fromkeys(case.exercise.name for case in CASES):
        mine = {case.kind: passed.get(case.id) for case in CASES if case.exercise.name == name}
        if any(result is not None for result in mine.values()):
            solution, stub = (_word(mine.pop(kind)) for kind in ("solution", "stub"))
            refused = sum(bool(result) for result in mine.values())
            terminalreporter.write_line(f"{name:<16}{solution:<18}{stub:<14}{refused} of {len(mine)}")


def _word(result: bool | None) -> str:
    return "not run" if result is None else "yes" if result else "NO"
