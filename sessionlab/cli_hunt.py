"""The command ``sessionlab hunt``."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.errors import SessionLabError


def hunt(
    context: typer.Context,
    app: Annotated[str, typer.Argument(help="a script, a directory app, a notebook, or module:function")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")] = False,
    html: Annotated[Path | None, typer.Option(help="write a page with the chains and the picture")] = None,
    sessions: Annotated[int | None, typer.Option(help="open at most so many sessions")] = None,
    max_seconds: Annotated[float, typer.Option(help="give the verdict after so many seconds")] = 90.0,
    scenario: Annotated[Path | None, typer.Option(help="a Python file that says what each visitor does")] = None,
    interact: Annotated[bool, typer.Option(help="click, type, move and select in what the page has")] = True,
    framework: Annotated[str | None, typer.Option(help="panel or bokeh; by default told from the imports")] = None,
) -> None:
    """Is it a leak, how big, who holds it. What stands after -- goes to `panel serve` (or `bokeh serve`).

    Exit code: 0 clean or bounded, 1 leak or sessions that never expire, 2 undecided, 3 the app could not be run.
    """
    from sessionlab import report
    from sessionlab.hunt import hunt as run

    try:
        with _progress(hidden=as_json) as progress:
            result = run(
                app,
                sessions=sessions,
                max_seconds=max_seconds,
                scenario=scenario,
                interact=interact,
                framework=framework,
                panel_args=context.args,
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


@contextlib.contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, so that stdout holds the result only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("serving", total=1.0)
        yield lambda phase, part: bar.update(task, description=phase, completed=part)


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    # Arguments after `--` are the server's own: typer hands them over unread.
    settings = {"allow_extra_args": True, "ignore_unknown_options": False}
    cli.command(name="hunt", context_settings=settings)(hunt)
