"""The commands for a server that runs already: ``watch``, ``snapshot``, ``diff``."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from sessionlab.errors import InvalidOption, SessionLabError

Url = Annotated[str, typer.Argument(help="of the server, such as http://127.0.0.1:5006")]
TokenFile = Annotated[Path | None, typer.Option(help="a file that holds the server's token; else SESSIONLAB_TOKEN")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else")]


def watch(
    urls: Annotated[list[str], typer.Argument(help="of the server, such as http://127.0.0.1:5006; or of several")],
    seconds: Annotated[str, typer.Option("--for", help="how long: 90s, 30m, 2h")] = "10m",
    every: Annotated[float, typer.Option(help="seconds between two questions")] = 5.0,
    memory: Annotated[str | None, typer.Option(help="what a process may take; else its container says it")] = None,
    alert: Annotated[str | None, typer.Option(help="a command for a leak; it reads the JSON on its stdin")] = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Does a server that runs keep something of its sessions? Its own visitors tell.

    Several are watched at once, such as the processes of one application.
    Exit code: 0 clean, 1 leak, 2 undecided, 3 it could not be asked.
    """
    from sessionlab.running.snapshot import probe_of
    from sessionlab.running.watching import EXIT, together
    from sessionlab.running.watching import watch as run
    from sessionlab.sizes import read_size

    told = _on_stderr(hidden=as_json)
    with _errors(as_json):
        long, limit = read_time(seconds), None if memory is None else read_size(memory)
        probes = [probe_of(url, token_file) for url in urls]
        for probe in probes:
            probe.hello()  # who does not answer is told at once
        with ThreadPoolExecutor(len(probes)) as pool:
            found = list(pool.map(lambda probe: run(probe, long, every=every, memory=limit, told=told), probes))
    verdict = together(found)
    several = {"verdict": verdict, "servers": [{"url": u, **w.to_dict()} for u, w in zip(urls, found, strict=True)]}
    text = json.dumps(several if len(found) > 1 else found[0].to_dict(), indent=2)
    if alert and verdict == "leak":
        _alert(alert, text)
    print(text if as_json else "\n".join(map(str, found)) if len(found) == 1 else _side_by_side(urls, found))
    raise typer.Exit(EXIT[verdict])


def _side_by_side(urls: list[str], found: list) -> str:
    return "\n".join(f"{url}\n  " + str(each).replace("\n", "\n  ") for url, each in zip(urls, found, strict=True))


def _alert(command: str, text: str) -> None:
    """Run the command with the result on its stdin; that it failed is told, and changes no verdict."""
    try:
        done = subprocess.run(shlex.split(command), input=text, text=True, timeout=60, check=True, capture_output=True)
        print(done.stdout, end="", file=sys.stderr)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"--alert failed: {error}", file=sys.stderr)


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
