"""The command ``sessionlab serve``."""

from __future__ import annotations

import contextlib
import sys
import threading

import typer

from sessionlab import cli_run
from sessionlab.cli_run import App, Command, Framework


def serve(
    context: typer.Context,
    app: App = None,
    command: Command = None,
    framework: Framework = None,
) -> None:
    """The app with its live session monitor beside it, until Ctrl-C. What stands after -- goes to it.

    The app's log goes to stderr.
    """
    from sessionlab.monitor import Monitor
    from sessionlab.server import serve as start

    with (
        contextlib.suppress(KeyboardInterrupt),
        start(app or (), command=command, framework=framework, panel_args=context.args) as server,
        Monitor(server) as monitor,
    ):
        print(f"Served {server.way}")
        for url in monitor.app_urls.values():
            print(f"The application   {url}")
        print(f"Its live monitor  {monitor.url}")
        print("Ctrl-C ends both.", flush=True)
        _pass_on(server.log)
        print(f"The server has ended with exit code {server.wait()}. Ctrl-C ends its monitor.", flush=True)
        threading.Event().wait()


def _pass_on(log) -> None:
    """Write the log to stderr until the server ends."""
    ended, written = False, 0
    while not ended:
        ended = log.wait_for_end(0.3 if written else 0.0)
        if new := log.dropped + len(log) - written:
            print(*log.lines[-new:], sep="\n", file=sys.stderr, flush=True)
            written += new


def register(cli: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    cli_run.register(cli, serve)
