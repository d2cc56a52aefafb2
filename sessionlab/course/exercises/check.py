"""``check("02-blip")``: grade the reader's file, in a process of its own, and remember the result."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sessionlab.child import Child
from sessionlab.course.exercises.attempt import patience
from sessionlab.course.exercises.exercise import find
from sessionlab.course.exercises.grading import LIMIT, too_slow
from sessionlab.course.exercises.progress import Progress
from sessionlab.course.exercises.verdict import UNDECIDED, Verdict
from sessionlab.errors import AppNotFound

GRACE = 5.0  # seconds on top of the limit, for a check that is stopped to end by itself


def check(name: str, path: str | os.PathLike | None = None, *, say: Callable[[str], None] | None = None) -> Verdict:
    """Grade an exercise: start the file, visit it, disturb it, and say what was seen. At most 20 s.

    Parameters
    ----------
    name : of the exercise, ``"02-blip"``.
    path : the file to grade; by default ``notebooks/exercises/02_blip.py``.
    say : called with one line each time the check does something new; by default a line in the notebook.

    Raises UnknownExercise, and AppNotFound when there is no such file. Whatever the file does, it does in processes
    of its own; they are gone when this returns.
    """
    exercise = find(name)
    file = Path(path or exercise.stub).resolve()
    if not file.is_file():
        raise AppNotFound(
            f"There is no file {file.name} to check.",
            why=f"Looked in {file.parent}.",
            advice="write it, or bring it back.",
        )
    say = say or _line_in_notebook()
    verdict = _graded(exercise.name, file, say)
    say("")
    Progress().note(exercise.name, verdict.passed)
    return verdict


def _graded(name: str, file: Path, say: Callable[[str], None]) -> Verdict:
    slack = patience()  # the same for both processes
    limit = LIMIT * slack
    deadline, told = time.monotonic() + limit + GRACE, 0
    command = [sys.executable, "-P", "-m", "sessionlab.course.exercises.worker", name, str(file)]
    with Child(command, {"SESSIONLAB_PATIENCE": f"{slack:g}"}) as worker:
        while time.monotonic() < deadline:
            event = worker.log.wait_for_event("verdict", "exit", timeout=0.2)
            for doing in worker.log.events("doing")[told:]:
                told += 1
                say(f"{name}: {doing['text']} …")
            if event:
                break
        answer = worker.log.wait_for_event("verdict", timeout=0.2)
        if answer:
            fields = {key: value for key, value in answer.items() if key != "event"}
            return Verdict(**{**fields, "right": tuple(fields["right"])})
        if event:
            return Verdict(name, UNDECIDED, wrong="The check itself ended early.", observed=worker.log.tail(3))
    wrong, observed = too_slow(limit)
    return Verdict(name, UNDECIDED, wrong=wrong, observed=observed)


def _line_in_notebook() -> Callable[[str], None]:
    """A line that is overwritten, where somebody looks on: a kernel that a Jupyter server has started."""
    if "JPY_SESSION_NAME" not in os.environ:
        return lambda text: None
    from IPython.display import clear_output

    def say(text: str) -> None:
        clear_output(wait=bool(text))
        if text:
            print(text, flush=True)

    return say
