"""The command line: one thin door to each instrument."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from sessionlab import cli_audit, cli_exercises, cli_hunt, cli_load, cli_running, cli_serve
from sessionlab.errors import SessionLabError

app = typer.Typer(
    help="Instruments for the life of a Panel or Bokeh server session.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Keeps every command a word of its own, however many there are."""


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False) -> None:
    """Is this machine ready: versions, browser, ports, memory. Exit code 1 when something is missing."""
    from sessionlab.doctor import doctor as look

    diagnosis = look()
    print(json.dumps(diagnosis.to_dict(), indent=2) if as_json else diagnosis)
    raise typer.Exit(0 if diagnosis.ready else 1)


cli_serve.register(app)
cli_hunt.register(app)
cli_audit.register(app)
cli_load.register(app)
cli_running.register(app)
cli_exercises.register(app)


def main() -> None:
    try:
        app()
    except SessionLabError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
