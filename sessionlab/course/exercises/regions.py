"""A solution is written once; what the reader edits, and what the reader is shown in the end, are made from it.

    # >>> solution
    pn.extension(reconnect=True)
    # >>> stub
    # pn.extension()
    # <<<

The reader edits a file with the second part, without its ``# ``; the solution is shown with the first.

    python -m sessionlab.course.exercises.regions

writes every stub anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sessionlab.errors import SessionLabError

SOLUTION, STUB, END = "# >>> solution", "# >>> stub", "# <<<"


class BadRegions(SessionLabError, ValueError):
    """The marks in a solution do not match."""


def stub_of(text: str) -> str:
    """What the reader gets to edit."""
    return _keep(text, STUB)


def solution_of(text: str) -> str:
    """The solution without its marks."""
    return _keep(text, SOLUTION)


def _keep(text: str, wanted: str) -> str:
    part, kept, regions = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        mark = line.strip()
        follows = {SOLUTION: None, STUB: SOLUTION, END: STUB}
        if mark in follows:
            if part != follows[mark]:
                raise BadRegions(
                    f"Line {number}, {mark!r}, stands in the wrong place.",
                    advice=f"a region is {SOLUTION!r}, {STUB!r}, {END!r}, in this order.",
                )
            part = None if mark == END else mark
            regions += mark == END
        elif part is None or part == wanted:
            kept.append(_uncommented(line) if part == STUB else line)
    if part is not None or not regions:
        raise BadRegions("A region has no end." if part else "The solution has no region.", advice=f"write {END!r}.")
    return "\n".join(kept) + "\n"


def filled(text: str, parts: Sequence[str]) -> str:
    """What a reader could have written: the stub of ``text`` with ``parts`` in place of its regions, in order."""
    lines, left, part = [], list(parts), None
    for line in text.splitlines():
        if line.strip() == SOLUTION:
            part = SOLUTION
            lines += left.pop(0).splitlines() if left else []
        elif line.strip() == END:
            part = None
        elif part is None:
            lines.append(line)
    if left:
        raise BadRegions(f"The solution has {len(parts) - len(left)} regions; there are {len(parts)} parts.")
    return "\n".join(lines) + "\n"


def _uncommented(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return (indent + line.lstrip().removeprefix("#").removeprefix(" ")).rstrip()


def write_stubs() -> list[Path]:
    """Write every reader's file anew, over whatever stands there."""
    from sessionlab.course.exercises.exercise import exercises

    written = []
    for exercise in exercises().values():
        exercise.stub.write_text(stub_of(exercise.solution.read_text()))
        written.append(exercise.stub)
    return written


if __name__ == "__main__":
    for path in write_stubs():
        print(path.name)
