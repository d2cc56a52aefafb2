"""A child process that cannot outlive the lab, with its log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import psutil

from sessionlab._guard import is_alive
from sessionlab.errors import ServerGone, ServerNotReady
from sessionlab.log import Log
from sessionlab.preload import Guard, fork

GUARD = Path(__file__).with_name("_guard.py")


class Child:
    """``command`` in a process of its own, under a guard (``_guard.py``) that ends it when the lab ends.

    With ``preload``, both are forked where they can be: see ``preload.py``.

    Attributes
    ----------
    log : a `sessionlab.log.Log` of what it writes on standard output and standard error.
    pid : of the command's own process, not of the guard.
    """

    def __init__(self, command: Sequence[str], env: dict[str, str] | None = None, preload: bool = False):
        self.log = Log()
        environment = {**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1"}
        forked = fork(command, environment) if preload else None
        self.guard = forked or subprocess.Popen(
            [sys.executable, "-P", str(GUARD), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a signal to the lab's process group must not reach the guard
        )
        # Without this, a child that nobody stopped would live as long as the interpreter.
        self.release = weakref.finalize(self, _let_go, self.guard)
        self.log.follow(cast(BinaryIO, self.guard.stdout))
        event = self.log.wait_for_event("started", "exit", timeout=30)
        if event is None or event["event"] == "exit":
            self.release()
            raise ServerNotReady(
                f"{Path(command[0]).name} could not be started.", why=event["why"] if event else self.log.tail()
            )
        self.pid: int = event["pid"]

    @property
    def alive(self) -> bool:
        return self.guard.poll() is None and not self.log.events("exit")

    @property
    def processes(self) -> list[psutil.Process]:
        """Every live process that the command started or left behind, its own included."""
        try:
            return list(filter(is_alive, psutil.Process(self.guard.pid).children(recursive=True)))
        except psutil.NoSuchProcess:
            return []

    def kill(self, how: signal.Signals | int = signal.SIGTERM) -> None:
        """Send the command's process the signal ``how``, and only that: see `wait` and `stop`."""
        gone = ServerGone(f"The server (process {self.pid}) has ended already.", advice="start it again.")
        if not self.alive:
            raise gone
        try:
            os.kill(self.pid, how)
        except ProcessLookupError:  # this moment, and its guard has not said so yet
            raise gone from None

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code, waited for; minus the signal's number when a signal ended the process."""
        event = self.log.wait_for_event("exit", timeout=timeout)
        if event is None:
            raise TimeoutError(f"the server (process {self.pid}) has not ended within {timeout:g} s")
        return event["code"]

    def stop(self) -> None:
        """Ask the command to end, then make sure that it and everything it started is gone. May be called twice."""
        if self.alive:
            with contextlib.suppress(OSError, TimeoutError):
                os.kill(self.pid, signal.SIGTERM)
                self.wait(2.0)
        self.release()

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.stop()


def _let_go(guard: subprocess.Popen | Guard) -> None:
    """Close the guard's standard input, upon which it ends the child, and wait until it has."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        guard.wait(timeout=10)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
