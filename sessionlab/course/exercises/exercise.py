"""What an exercise is, and the list of all of them."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.errors import SessionLabError

CHAPTERS = re.compile(r"ch\d\d")


class UnknownExercise(SessionLabError, LookupError):
    """There is no exercise of that name."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    name : ``"02-blip"``: the chapter and a word.
    title : what it asks for, in half a sentence.
    grade : ``await grade(attempt)`` runs the reader's file and raises NotYet at the first thing that is not right.
    hints : three, from vague to near.
    """

    name: str
    title: str
    grade: Callable[..., Awaitable[None]]
    hints: tuple[str, str, str]

    @property
    def chapter(self) -> str:
        return self.name[:2]

    @property
    def file(self) -> str:
        return self.name.replace("-", "_") + ".py"

    @property
    def stub(self) -> Path:
        """The file that the reader edits."""
        return NOTEBOOKS / "exercises" / self.file

    @property
    def solution(self) -> Path:
        return NOTEBOOKS / "solutions" / self.file


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise by name, in the order of the chapters: the ``EXERCISES`` of the modules ``chXX`` here."""
    package = __package__
    modules = sorted(path.stem for path in Path(__file__).parent.glob("ch*.py") if CHAPTERS.fullmatch(path.stem))
    found = [e for module in modules for e in importlib.import_module(f"{package}.{module}").EXERCISES]
    return {exercise.name: exercise for exercise in found}


def find(name: str) -> Exercise:
    """The exercise ``name``, or that of the file ``name``; raises UnknownExercise, naming those that are near."""
    named = Path(name).stem.replace("_", "-")  # the file of 02-blip is 02_blip.py
    if named in exercises():
        return exercises()[named]
    near = difflib.get_close_matches(name, exercises(), n=1)
    raise UnknownExercise(
        f"There is no exercise {name!r}.",
        advice=f"did you mean {near[0]!r}?" if near else f"there are {', '.join(exercises())}.",
    )
