"""The commands for a server that runs already: ``watch``, ``snapshot``, ``diff``."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.errors import InvalidOption, SessionLabError

Url = Annotated[str, typer.Argument(help="of the server, such as http://127.0.0.1:5006")]
TokenFile = Annotated[Path | None, typer.Option(help="a file that holds the server's token; else SESSIONLAB_TOKEN")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")]


def watch(
    url: Url,
    seconds: Annotated[str, typer.Option("--for", help="how long: 90s, 30m, 2h")] = "10m",
    every: Annotated[float, typer.Option(help="seconds between two questions")] = 5.0,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Does a server that runs keep something of its sessions? Its own visitors tell.

    Exit code: 0 clean, 1 leak, 2 undecided, 3 it could not be asked.
    """
    from sessionlab.running.snapshot import probe_of
    from sessionlab.running.watching import watch as run

    with _errors(as_json):
        result = run(probe_of(url, token_file), read_time(seconds), every=every, told=_on_stderr(hidden=as_json))
    print(json.dumps(result.to_dict(), indent=2) if as_json else result)
    raise typer.Exit(result.exit_code)


def snapshot(
    url: Url,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")],
    token_file: TokenFile = None,
) -> None:
    """What a server is made of at this moment: counts, classes and names, and no value.

    It stands still for some milliseconds.
    """
    from sessionlab.running.snapshot import probe_of, take

    with _errors(as_json=False):
        try:
            taken = take(probe_of(url, token_file))
            taken.write(output)
        except OSError as error:
            raise InvalidOption(f"{output} cannot be written.", why=str(error)) from None
    pause = "" if taken.pause is None else f", the server stood still for {1000 * taken.pause:.0f} ms"
    print(f"{taken}\n{output}: {output.stat().st_size / 1000:.0f} KB{pause}")


def diff(before: Path, after: Path, as_json: AsJson = False) -> None:
    """What is new between two snapshots, who holds it, and how much of it each session left."""
    from sessionlab.running.snapshot import Snapshot, difference

    with _errors(as_json):
        found = difference(Snapshot.read(before), Snapshot.read(after))
    print(json.dumps(found.to_dict(), indent=2) if as_json else found)


def read_time(text: str) -> float:
    """Seconds: ``90``, ``90s``, ``30m``, ``2h``. Raises InvalidOption."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None or float(found[1]) <= 0:
        raise InvalidOption(f"{text!r} is no time.", advice="give it as 90s, 30m or 2h.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _on_stderr(hidden: bool):
    return lambda line: None if hidden else print(line, file=sys.stderr)


@contextlib.contextmanager
def _errors(as_json: bool) -> Iterator[None]:
    """An error of the lab is exit code 3."""
    try:
        yield
    except SessionLabError as error:
        if as_json:
            print(json.dumps({"error": error.what, "why": error.why, "advice": error.advice}, indent=2))
        print(error, file=sys.stderr)
        raise typer.Exit(3) from None


def register(cli: typer.Typer) -> None:
    """Add the commands to the lab's command line."""
    for command in (watch, snapshot, diff):
        cli.command()(command)
