"""Servers out of a process that has imported Panel already: the first page comes in a tenth of the time.

One such process serves this one and ends with it. It has the environment of its start: a server with other variables
for Python, Panel or Bokeh starts cold. A forked server is a server like any other, but for its memory, which it shares
with others, and its imports, which it has not made: nothing is measured in one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence

PATIENCE = 60.0  # seconds for the imports, and for a fork
OURS = ("PYTHON", "BOKEH_", "PANEL_")  # variables that are read while something is imported
MODULE = ["-m", "sessionlab.agent.launch"]  # what a forked server runs


class Guard:
    """A guard that was forked, in the place of its `subprocess.Popen`: ``pid``, ``stdin``, ``stdout``."""

    def __init__(self, pid: int, stdin, stdout):
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._handle: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        try:
            self.wait(0)
        except subprocess.TimeoutExpired:
            return None
        return 0

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; whose exit code nobody needs."""
        if self._handle is not None:
            if not select.select([self._handle], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"guard {self.pid}", timeout or 0)
            os.close(self._handle)
            self._handle = None
        return 0

    def kill(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)


class _ForkServer:
    """The process that forks, with the socket by which it is asked."""

    def __init__(self):
        self.pid = os.getpid()
        self.environment = _read_at_import(os.environ)
        self._lock = threading.Lock()
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(PATIENCE)
        number = str(theirs.fileno())
        with theirs:
            starter = subprocess.Popen(
                [sys.executable, "-u", "-P", "-m", "sessionlab._fork_server", number],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        starter.wait(PATIENCE)
        if self._link.recv(16) != b"ready":
            raise OSError("it ended while it imported Panel")

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Guard:
        job = {"arguments": list(arguments), "environment": dict(environment), "folder": os.getcwd()}
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        stdin, stdout = os.fdopen(ours_in, "wb", 0), os.fdopen(ours_out, "rb")
        try:
            with self._lock:
                socket.send_fds(self._link, [json.dumps(job).encode()], [theirs_in, theirs_out])
                if not (pid := self._link.recv(16)):
                    raise OSError("it has ended")
            return Guard(int(pid), stdin, stdout)
        except BaseException:
            stdin.close()
            stdout.close()
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def close(self) -> None:
        """Close the socket, upon which it ends."""
        self._link.close()


_lock = threading.Lock()
_state: dict = {"server": None, "broken": False}


def fork(command: Sequence[str], environment: Mapping[str, str]) -> Guard | None:
    """The guard of a forked server that runs ``command`` with these variables; None where it has to start cold.

    The first call starts the process that forks. When that fails, a warning says so, once.
    """
    place = next((n for n in range(len(command)) if list(command[n : n + 2]) == MODULE), None)
    arguments = [] if place is None else list(command[place + 2 :])
    if not arguments or arguments[0] != "panel" or "--num-procs" in " ".join(arguments):
        return None
    with _lock:
        if _state["broken"]:
            return None
        try:
            if not hasattr(os, "pidfd_open") or sys.platform != "linux":
                raise OSError("this system has no safe fork")
            server = _state["server"]
            if server is None or server.pid != os.getpid():
                server = _state["server"] = _ForkServer()
                atexit.register(server.close)
            if _read_at_import(environment) != server.environment:
                return None
            return server.fork(arguments, environment)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            _state["broken"] = True
            warnings.warn(f"Servers start cold: the process that forks them failed ({error}).", stacklevel=6)
            return None


def _read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(OURS) and k != "PYTHONUNBUFFERED"}
