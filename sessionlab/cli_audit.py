"""The command ``sessionlab audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sessionlab import cli_run
from sessionlab.cli_run import App, AsJson, Command, Framework, Interact, MakeVisitor, ScenarioFile, visited


@visited
def audit(
    context: typer.Context,
    visitor: MakeVisitor,
    app: App = None,
    command: Command = None,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="write one page with everything, for the team")] = None,
    only: Annotated[list[str] | None, typer.Option(help="only these checks or groups: reconnect,hooks.run")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="not these checks or groups: leak.verdict")] = None,
    memory: Annotated[str, typer.Option(help="what the process may take where it is deployed")] = "1 GB",
    max_seconds: Annotated[float, typer.Option(help="end after so many seconds")] = 110.0,
    scenario: ScenarioFile = None,
    interact: Interact = True,
    framework: Framework = None,
    browser: Annotated[bool, typer.Option(help="reconnect in a real browser, if there is one")] = True,
) -> None:
    """The production checklist, executed. What stands after -- is how you deploy: the flags of `panel serve`.

    Exit code: 0 no check failed, 1 one did, 3 the app could not be run.
    """
    from sessionlab.checks import audit as run
    from sessionlab.checks import report
    from sessionlab.sizes import read_size

    with cli_run.running(app, command, as_json, html) as progress:
        result = run(
            app or (),
            command=command,
            only=_listed(only),
            skip=_listed(skip),
            memory=read_size(memory),
            max_seconds=max_seconds,
            scenario=visitor(scenario, interact),
            framework=framework,
            panel_args=context.args,
            browser=browser,
            progress=progress,
        )
    if html:
        report.write_page(result, html)
    cli_run.tell(result, as_json, report.renderable(result))
    raise typer.Exit(result.exit_code)


def _listed(names: list[str] | None) -> list[str]:
    return [name.strip() for each in names or () for name in each.split(",") if name.strip()]


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    cli_run.register(cli, audit)
