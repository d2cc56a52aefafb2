"""What the reader may ask for: a hint, the next one, the solution."""

from __future__ import annotations

from sessionlab.course.exercises.exercise import find
from sessionlab.course.exercises.progress import Progress
from sessionlab.course.exercises.regions import solution_of


class Text:
    """A text that shows itself: plain, or as code."""

    def __init__(self, text: str, code: bool = False):
        self.text, self.code = text, code

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}```" if self.code else self.text


def hint(name: str, number: int | None = None) -> Text:
    """The next hint for an exercise, from vague to near; or hint ``number``, 1 to 3.

    Raises UnknownExercise.
    """
    exercise = find(name)
    last = len(exercise.hints)
    progress = Progress()
    shown = min(number or progress.hints(name) + 1, last)
    progress.note_hint(name, shown)
    after = f'hint("{name}") gives the next one.' if shown < last else f'solution("{name}") shows the solution.'
    return Text(f"Hint {shown} of {last}. {exercise.hints[shown - 1]}\n\n({after})")


def solution(name: str) -> Text:
    """The solution of an exercise, as code. Raises UnknownExercise."""
    return Text(solution_of(find(name).solution.read_text()), code=True)
