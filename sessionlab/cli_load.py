"""The command ``sessionlab load``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sessionlab import cli_run
from sessionlab.cli_run import App, AsJson, Command, Framework, MakeVisitor, visited


@visited
def load(
    context: typer.Context,
    visitor: MakeVisitor,
    app: App = None,
    command: Command = None,
    visitors: Annotated[int, typer.Option(help="sessions to open and keep open")] = 100,
    rate: Annotated[float | None, typer.Option(help="visits a second that you expect")] = None,
    stay: Annotated[float, typer.Option(help="seconds that a page stays open")] = 600.0,
    outage: Annotated[float, typer.Option(help="seconds of the longest outage that a user is to survive")] = 30.0,
    memory: Annotated[str, typer.Option(help="of the container that a process is to live in")] = "2 GiB",
    max_seconds: Annotated[float, typer.Option(help="begin no further step after so many seconds")] = 120.0,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="write one page with everything, for the team")] = None,
    picture: Annotated[Path | None, typer.Option(help="write the curves into this PNG file")] = None,
    framework: Framework = None,
) -> None:
    """How many sessions a process and a gigabyte hold. What stands after -- goes to `panel serve` (or `bokeh serve`).

    It recommends lifetime, caps and memory limit. Exit code: 0, or 3 if the app could not be run.
    """
    from sessionlab.capacity import load as run
    from sessionlab.capacity import report
    from sessionlab.sizes import read_size

    with cli_run.running(app, command, as_json, html, picture) as progress:
        result = run(
            app or (),
            command=command,
            visitors=visitors,
            rate=rate,
            stay=stay,
            outage=outage,
            memory=read_size(memory),
            max_seconds=max_seconds,
            scenario=visitor(),
            framework=framework,
            panel_args=context.args,
            progress=progress,
        )
    if html:
        report.write_page(result, html)
    if picture:
        picture.write_bytes(result.png())
    print(json.dumps(result.to_dict(), indent=2) if as_json else result)


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    cli_run.register(cli, load)
