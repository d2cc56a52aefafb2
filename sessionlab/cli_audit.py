"""The command ``sessionlab audit``."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.errors import InvalidOption, SessionLabError

UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def audit(
    context: typer.Context,
    app: Annotated[str, typer.Argument(help="a script, a directory app, a notebook, or module:function")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")] = False,
    html: Annotated[Path | None, typer.Option(help="write one page with everything, for the team")] = None,
    only: Annotated[list[str] | None, typer.Option(help="only these checks or groups: reconnect,hooks.run")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="not these checks or groups: leak.verdict")] = None,
    memory: Annotated[str, typer.Option(help="what the process may take where it is deployed")] = "1 GB",
    max_seconds: Annotated[float, typer.Option(help="end after so many seconds")] = 110.0,
    scenario: Annotated[Path | None, typer.Option(help="a Python file that says what each visitor does")] = None,
    interact: Annotated[bool, typer.Option(help="click, type, move and select in what the page has")] = True,
    framework: Annotated[str | None, typer.Option(help="panel or bokeh; by default told from the imports")] = None,
    browser: Annotated[bool, typer.Option(help="reconnect in a real browser, if there is one")] = True,
) -> None:
    """The production checklist, executed. What stands after -- is how you deploy: the flags of `panel serve`.

    Exit code: 0 no check failed, 1 one did, 3 the app could not be run.
    """
    from sessionlab.audit import audit as run
    from sessionlab.audit import report

    try:
        if html and not html.parent.is_dir():
            raise InvalidOption(f"{html} cannot be written.", why=f"There is no folder {html.parent}.")
        with _progress(hidden=as_json) as progress:
            result = run(
                app,
                only=_listed(only),
                skip=_listed(skip),
                memory=_bytes(memory),
                max_seconds=max_seconds,
                scenario=scenario,
                interact=interact,
                framework=framework,
                panel_args=context.args,
                browser=browser,
                progress=progress,
            )
    except SessionLabError as error:
        if as_json:
            print(json.dumps({"app": app, "error": error.what, "why": error.why, "advice": error.advice}, indent=2))
        print(error, file=sys.stderr)
        raise typer.Exit(3) from None
    if html:
        report.write_page(result, html)
    if as_json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        from rich.console import Console

        Console().print(report.renderable(result))
    raise typer.Exit(result.exit_code)


def _listed(names: list[str] | None) -> list[str]:
    return [name.strip() for each in names or () for name in each.split(",") if name.strip()]


def _bytes(text: str) -> float:
    found = re.fullmatch(r"\s*([\d.]+)\s*([a-zA-Z]*)\s*", text)
    try:
        return float(found[1]) * UNITS[found[2].lower()]
    except (TypeError, ValueError, KeyError):
        raise InvalidOption(
            f"--memory {text!r} cannot be used.", advice='give a number and a unit, such as "2 GB" or "512 MiB".'
        ) from None


@contextlib.contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, so that stdout holds the result only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("serving", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    # Arguments after `--` are the server's own: typer hands them over unread.
    settings = {"allow_extra_args": True, "ignore_unknown_options": False}
    cli.command(name="audit", context_settings=settings)(audit)
