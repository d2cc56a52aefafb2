"""What every exercise is tried with: its solution, its stub, and attempts that are wrong in ways that people are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sessionlab.course.exercises.exercise import Exercise, exercises
from sessionlab.course.exercises.regions import filled, solution_of, stub_of

from .wrong import STUBS, WRONG

ANYTHING = ""


@dataclass(frozen=True)
class Case:
    """An attempt at ``exercise`` and what its verdict must be: ``says`` is a regular expression for what is wrong."""

    exercise: Exercise
    kind: str  # solution, stub, or what is wrong with it
    source: str
    state: str
    says: str
    observed: str

    @property
    def id(self) -> str:
        return f"{self.exercise.name}: {self.kind}"

    def write(self, folder: Path) -> Path:
        path = folder / self.exercise.file
        path.write_text(self.source)
        return path


def of(exercise: Exercise) -> list[Case]:
    text = exercise.solution.read_text()
    cases = [
        Case(exercise, "solution", solution_of(text), "right", ANYTHING, ANYTHING),
        Case(exercise, "stub", stub_of(text), "not yet", *STUBS[exercise.name]),
    ]
    for wrong in WRONG.get(exercise.name, []):
        source = filled(text, wrong.parts) if isinstance(wrong.parts, tuple) else wrong.parts
        if wrong.flags:
            source = re.sub(r"(?m)^(# panel serve .*)$", rf"\1 {wrong.flags}", source, count=1)
        cases.append(Case(exercise, wrong.name, source, "not yet", wrong.says, wrong.observed))
    return cases


CASES = [case for exercise in exercises().values() for case in of(exercise)]
