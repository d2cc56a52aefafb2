"""The command ``sessionlab load``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.cli_hunt import _progress
from sessionlab.errors import SessionLabError


def load(
    context: typer.Context,
    app: Annotated[str, typer.Argument(help="a script, a directory app, a notebook, or module:function")],
    visitors: Annotated[int, typer.Option(help="sessions to open and keep open")] = 100,
    rate: Annotated[float | None, typer.Option(help="visits a second that you expect")] = None,
    stay: Annotated[float, typer.Option(help="seconds that a page stays open")] = 600.0,
    outage: Annotated[float, typer.Option(help="seconds of the longest outage that a user is to survive")] = 30.0,
    memory: Annotated[str, typer.Option(help="of the container that a process is to live in")] = "2 GiB",
    max_seconds: Annotated[float, typer.Option(help="begin no further step after so many seconds")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")] = False,
    picture: Annotated[Path | None, typer.Option(help="write the curves into this PNG file")] = None,
    framework: Annotated[str | None, typer.Option(help="panel or bokeh; by default told from the imports")] = None,
) -> None:
    """How many sessions a process and a gigabyte hold. What stands after -- goes to `panel serve` (or `bokeh serve`).

    It recommends lifetime, caps and memory limit. Exit code: 0, or 3 if the app could not be run.
    """
    from sessionlab.load import load as run
    from sessionlab.load.advice import read_size

    try:
        with _progress(hidden=as_json) as progress:
            result = run(
                app,
                visitors=visitors,
                rate=rate,
                stay=stay,
                outage=outage,
                memory=read_size(memory),
                max_seconds=max_seconds,
                framework=framework,
                panel_args=context.args,
                progress=progress,
            )
    except SessionLabError as error:
        if as_json:
            print(json.dumps({"app": app, "error": error.what, "why": error.why, "advice": error.advice}, indent=2))
        print(error, file=sys.stderr)
        raise typer.Exit(3) from None
    if picture:
        picture.write_bytes(result.png())
    print(json.dumps(result.to_dict(), indent=2) if as_json else result)


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    # Arguments after `--` are the server's own: typer hands them over unread.
    settings = {"allow_extra_args": True, "ignore_unknown_options": False}
    cli.command(name="load", context_settings=settings)(load)
