"""What the commands that run an application have in common: options, progress, errors, results."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.client.login import Login
from sessionlab.client.scenario import Scenario
from sessionlab.errors import InvalidOption, SessionLabError

Progress = Callable[[str, float], None]
MakeVisitor = Callable[..., Scenario]
App = Annotated[
    str | None, typer.Argument(help="a script, a directory app, a notebook, module:function, or a program that serves")
]
Command = Annotated[
    str | None, typer.Option(help='starts the app instead: "uvicorn app:api --port {port}"; any port it opens is found')
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")]
Framework = Annotated[str | None, typer.Option(help="panel, bokeh, program, fastapi; by default its source says it")]
ScenarioFile = Annotated[Path | None, typer.Option("--scenario", help="a Python file that says what each visitor does")]
Pages = Annotated[list[str] | None, typer.Option("--page", help="a page to visit, such as /orders; by default all")]
LoginText = Annotated[
    str | None,
    typer.Option("--login", envvar="SESSIONLAB_LOGIN", help="USER:PASSWORD, for a form or HTTP Basic"),
]
LoginFile = Annotated[Path | None, typer.Option(help="a file that holds USER:PASSWORD, so that no process list does")]
Headers = Annotated[list[str] | None, typer.Option("--header", help='of each visitor: "X-Forwarded-User: ann"')]
Cookies = Annotated[list[str] | None, typer.Option("--cookie", help='of each visitor: "name=value"')]
Interact = Annotated[bool, typer.Option(help="click, type, move and select in what the page has")]


def register(cli: typer.Typer, command: Callable) -> None:
    """Add a command whose arguments after ``--`` are the server's own: typer hands them over unread."""
    cli.command(name=command.__name__, context_settings={"allow_extra_args": True})(command)


def who_visits(
    pages: Pages = None,
    login: LoginText = None,
    login_file: LoginFile = None,
    header: Headers = None,
    cookie: Cookies = None,
) -> MakeVisitor:
    """What the options say of each visitor: a function of the scenario's file, and of whether anything is touched.

    It raises InvalidOption, and shows no secret.
    """

    def visitor(scenario: Path | None = None, interact: bool = True) -> Scenario:
        made = Scenario.load(scenario, interact) if scenario else Scenario.default(interact)
        if login_file is not None and not login_file.is_file():
            raise InvalidOption(f"There is no file {login_file}.", advice="write USER:PASSWORD into it.")
        known = login_file.read_text(encoding="utf-8") if login_file else login
        return dataclasses.replace(
            made,
            pages=tuple(pages or made.pages),
            login=Login.read(known) if known else made.login,
            headers={**made.headers, **_pairs("--header", header, ":")},
            cookies={**made.cookies, **_pairs("--cookie", cookie, "=")},
        )

    return visitor


def visited(command: Callable) -> Callable:
    """Give a command the options of `who_visits`; it gets what they make as its argument ``visitor``."""
    own, options = (inspect.signature(function, eval_str=True) for function in (command, who_visits))

    @functools.wraps(command)
    def with_options(*args, **kwargs):
        given = {name: kwargs.pop(name) for name in options.parameters}
        return command(*args, visitor=who_visits(**given), **kwargs)

    shown = [each for name, each in own.parameters.items() if name != "visitor"] + list(options.parameters.values())
    shown.sort(key=lambda each: each.kind)
    with_options.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in shown}
    return with_options


def _pairs(option: str, lines: list[str] | None, sign: str) -> dict[str, str]:
    pairs = [line.partition(sign) for line in lines or ()]
    if not all(name.strip() and found for name, found, _ in pairs):
        raise InvalidOption(f"A {option} cannot be read.", advice=f"give it as NAME{sign}VALUE, in quotes.")
    return {name.strip(): value.strip() for name, _, value in pairs}


@contextlib.contextmanager
def running(app: str | None, command: str | None, as_json: bool, *files: Path | None) -> Iterator[Progress]:
    """While the application runs: a bar, moved by ``progress(what, part)``. An error of the lab is exit code 3.

    ``files`` are what will be written in the end; that they can be is made sure of first.
    """
    try:
        for file in filter(None, files):
            _make_sure_of(file)
        if app is None and command is None:
            raise InvalidOption("There is nothing to run.", advice="name an application, or give --command.")
        with _bar(hidden=as_json) as progress:
            yield progress
    except SessionLabError as error:
        if as_json:
            told = {"app": app or command, "error": error.what, "why": error.why, "advice": error.advice}
            print(json.dumps(told, indent=2))
        print(error, file=sys.stderr)
        raise typer.Exit(3) from None


def tell(result, as_json: bool, renderable: object) -> None:
    """The result on stdout: as JSON, or as the terminal shows ``renderable``."""
    from rich.console import Console

    if as_json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        Console().print(renderable)


def _make_sure_of(file: Path) -> None:
    folder = file.resolve().parent
    if not folder.is_dir():
        why, advice = f"There is no folder {file.parent}.", "make the folder, or name another file."
    elif file.is_dir():
        why, advice = "It is a folder.", f"name a file in it, such as {file / 'result.html'}."
    elif not os.access(file if file.exists() else folder, os.W_OK):
        why, advice = "It may not be written by this user.", "name another file."
    else:
        return
    raise InvalidOption(f"{file} cannot be written.", why=why, advice=advice)


@contextlib.contextmanager
def _bar(hidden: bool) -> Iterator[Progress]:
    """A bar on stderr, so that stdout holds the result only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("serving", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)
