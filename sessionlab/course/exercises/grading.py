"""Grade one attempt: run the exercise's grader, and turn everything that can happen into a verdict."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from sessionlab.course.exercises.attempt import PATIENCE, START, Attempt
from sessionlab.course.exercises.exercise import Exercise
from sessionlab.course.exercises.verdict import NOT_YET, RIGHT, UNDECIDED, NotYet, Verdict
from sessionlab.errors import (
    AppFailed,
    ConnectionRefused,
    InvalidOption,
    ProbeSilent,
    ServerGone,
    ServerNotReady,
    SessionLabError,
    UnknownOption,
    VisitFailed,
)

LIMIT = 20  # seconds that a check may take, times the patience
FOLDERS = re.compile(r"""(?<![\w.])/(?:[^/\s"',]+/)+""")  # what the reader is told has no need of them


def grade(exercise: Exercise, path: Path | None = None, say: Callable[[str], None] = lambda text: None) -> Verdict:
    """Grade the file at ``path`` (by default the reader's own) as an attempt at ``exercise``. Takes seconds.

    Runs in a thread without an event loop of its own. What goes wrong in the attempt is in the verdict.
    """
    return asyncio.run(_grade(exercise, Path(path or exercise.stub), say))


async def _grade(exercise: Exercise, path: Path, say: Callable[[str], None]) -> Verdict:
    attempt = Attempt(path, say)
    state, wrong, observed = RIGHT, "", ""
    try:
        async with asyncio.timeout(LIMIT * PATIENCE):
            compile(attempt.source, path.name, "exec")
            await exercise.grade(attempt)
    except TimeoutError:
        state, wrong, observed = UNDECIDED, *too_slow(LIMIT * PATIENCE)
    except (NotYet, SyntaxError, ValueError, SessionLabError) as error:
        state, wrong, observed = NOT_YET, *explain(error)
    return Verdict(exercise.name, state, tuple(attempt.right), wrong, FOLDERS.sub("", observed))


def too_slow(seconds: float) -> tuple[str, str]:
    return (
        f"The check did not come to an end within {seconds:g} s, and was stopped.",
        "If this machine is busy, try again; SESSIONLAB_PATIENCE=3 in the environment triples every limit.",
    )


def explain(error: Exception) -> tuple[str, str]:
    """What is wrong with an attempt that ended in ``error``, and what was seen of it."""
    match error:
        case NotYet():
            return error.what, error.observed
        case SyntaxError():
            return "The file is not valid Python.", f"line {error.lineno}: {error.msg}"
        case AppFailed():
            return "The app raises an error before its page is built.", _last_lines(error.why, 1)
        case UnknownOption() | InvalidOption():
            return error.what, error.why
        case ServerNotReady() if "in time" in error.what:
            stands = re.findall(r'File ".*?([^/\\"]+)", line (\d+) in <module>', error.why)
            where = f"; it stands at line {stands[-1][1]} of {stands[-1][0]}" if stands else ""
            return "The app never gets its page done.", f"no page after {START:g} s{where}"
        case ServerNotReady():
            return "The server ends before it has shown a page.", _last_lines(error.what + "\n" + error.why, 2)
        case ServerGone():
            return "The server ended while it was being visited.", ""
        case ProbeSilent():
            return "The server stopped answering: something in it does not let go.", error.what
        case ConnectionRefused():
            return "The server refused the visitor's websocket.", error.what
        case VisitFailed():
            return "The visitor did not find what the exercise describes.", _last_lines(str(error), 3)
    return "The check met an error of its own.", str(error)


def _last_lines(text: str, number: int) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines()[-number:])
