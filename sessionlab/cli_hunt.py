"""The command ``sessionlab hunt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sessionlab import cli_run
from sessionlab.cli_run import App, AsJson, Command, Framework, Interact, MakeVisitor, ScenarioFile, visited


@visited
def hunt(
    context: typer.Context,
    visitor: MakeVisitor,
    app: App = None,
    command: Command = None,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="write a page with the chains and the picture")] = None,
    sessions: Annotated[int | None, typer.Option(help="open at most so many sessions")] = None,
    max_seconds: Annotated[float, typer.Option(help="give the verdict after so many seconds")] = 90.0,
    scenario: ScenarioFile = None,
    interact: Interact = True,
    framework: Framework = None,
    baseline: Annotated[Path | None, typer.Option(help="leaks that stand in this file do not fail")] = None,
    live: Annotated[bool, typer.Option(help="also look whether a session grows while it stays open")] = True,
    write_baseline: Annotated[Path | None, typer.Option(help="write the leaks that are found into this file")] = None,
) -> None:
    """Is it a leak, how big, who holds it. What stands after -- goes to `panel serve` (or `bokeh serve`).

    Exit code: 0 clean, bounded, or nothing but known leaks; 1 leak, sessions that never expire, or a session that
    grows while it stays open; 2 undecided; 3 the app could not be run.
    """
    from sessionlab import report
    from sessionlab.leaks import hunt as run

    with cli_run.running(app, command, as_json, html, write_baseline) as progress:
        result = run(
            app or (),
            command=command,
            sessions=sessions,
            max_seconds=max_seconds,
            scenario=visitor(scenario, interact),
            framework=framework,
            panel_args=context.args,
            baseline=baseline,
            live=live,
            progress=progress,
        )
    if write_baseline:
        result.write_baseline(write_baseline)
    if html:
        report.write_page(result, html)
    cli_run.tell(result, as_json, report.renderable(result))
    raise typer.Exit(result.exit_code)


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    cli_run.register(cli, hunt)
