"""Every attempt at every exercise is graded once, several at a time, and the tests read the verdicts."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

os.environ.setdefault("SESSIONLAB_PATIENCE", "3")  # read when the graders are imported: a busy machine is no failure

from sessionlab.course.exercises.grading import grade

from .cases import CASES, Case

WORKERS = 4  # servers at a time; more of them only wait for each other on two cores
outcomes = pytest.StashKey[dict]()


@pytest.fixture(scope="session")
def verdicts(request, tmp_path_factory):
    """``verdicts[case.id]`` is a future; only what the selected tests ask for is graded."""
    wanted = {
        item.callspec.params["case"].id
        for item in request.session.items
        if "verdicts" in getattr(item, "fixturenames", ())
    }
    pool = ThreadPoolExecutor(WORKERS)

    def run(case: Case, folder: Path):
        return grade(case.exercise, case.write(folder))

    # The folders are made here, not in the threads: pytest's factory is for one thread.
    futures: dict[str, Future] = {
        case.id: pool.submit(run, case, tmp_path_factory.mktemp("attempt")) for case in CASES if case.id in wanted
    }
    yield futures
    pool.shutdown(cancel_futures=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and "verdicts" in getattr(item, "fixturenames", ()):
        item.config.stash.setdefault(outcomes, {})[item.callspec.params["case"].id] = report.passed
    return report


def pytest_terminal_summary(terminalreporter, config):
    """The table: exercises x (solution passes, stub fails for the stated reason, wrong attempts refused)."""
    passed = config.stash.get(outcomes, {})
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
