"""The commands ``sessionlab check``, ``hint`` and ``solution``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Annotated

import typer

from sessionlab import address
from sessionlab.errors import SessionLabError

Name = Annotated[str, typer.Argument(help='the name of an exercise, such as "02-blip"')]


def _be_in_the_repository() -> None:
    if importlib.util.find_spec("sessionlab.course") is None:
        raise SessionLabError(
            "The course is not here.",
            why="What is installed is the lab alone; exercises and chapters are files of the repository.",
            advice=f"clone {address.HOME}, and run `make lab` in it.",
        )


def check(
    exercise: Annotated[str | None, typer.Argument(help="the name of an exercise; without it, the list of all")] = None,
    file: Annotated[Path | None, typer.Option(help="grade this file in place of notebooks/exercises/…")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")] = False,
) -> None:
    """Grade an exercise by running your file. Exit code: 0 right, 1 not yet, 3 it could not be judged."""
    _be_in_the_repository()
    from rich.console import Console

    from sessionlab.course.exercises.check import check as run
    from sessionlab.course.exercises.progress import Progress

    if exercise is None:
        print(Progress())
        return
    with Console(stderr=True, quiet=as_json).status(f"{exercise}: starting …") as line:
        verdict = run(exercise, file, say=lambda text: line.update(text))
    print(json.dumps(verdict.to_dict(), indent=2) if as_json else verdict)
    raise typer.Exit(verdict.exit_code)


def hint(exercise: Name, number: Annotated[int | None, typer.Argument(help="1 to 3; by default the next")] = None):
    """The next hint for an exercise, from vague to near."""
    _be_in_the_repository()
    from sessionlab.course.exercises.help import hint as ask

    print(ask(exercise, number))


def solution(exercise: Name) -> None:
    """The solution of an exercise."""
    _be_in_the_repository()
    from sessionlab.course.exercises.help import solution as ask

    print(ask(exercise), end="")


def register(cli: typer.Typer) -> None:
    """Add the commands to the lab's command line."""
    for command in (check, hint, solution):
        cli.command(name=command.__name__)(command)
