"""A process that has imported Panel and forks: each fork becomes a guard, and the guard's fork a server.

Started by ``preload.py``, never imported. It reads from the socket it was started with: a message asks for one server,
and the end of the socket, however the lab ends, is its own end. Linux only.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys

from sessionlab import _guard
from sessionlab.agent import launch

IMPORTED = ("panel", "panel.command.serve", "bokeh.server.server", "sessionlab.agent.agent")
LONGEST = 1 << 18  # bytes of a message


class IsServer(BaseException):
    """Raised in the fork that is to be the server, so that nothing of the guard stays on its stack."""


class Fork:
    """The server as the guard sees it, in the place of a `subprocess.Popen`."""

    def __init__(self):
        self.pid = os.fork()
        if self.pid == 0:
            raise IsServer

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def leave_the_family():
    """Become nobody's child: whoever looks for what the lab has left behind looks for servers."""
    if os.fork():
        os._exit(0)
    os.setsid()


def serve(job):
    """Be the server that ``job`` asks for: what follows is what a cold start runs."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [launch.__file__, *job["arguments"]]
    launch.main()


def guard(job, files):
    """Be the guard of a server, on the pipes of the lab."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, file in zip((0, 1, 2), (files[0], files[1], files[1]), strict=True):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    _guard.main(Fork)


def main():
    link = socket.socket(fileno=int(sys.argv[1]))
    leave_the_family()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    for module in IMPORTED:
        importlib.import_module(module)
    link.send(b"ready")
    while True:
        message, files, _, _ = socket.recv_fds(link, LONGEST, 2)
        if not message:
            return
        if pid := os.fork():
            for file in files:
                os.close(file)
            with contextlib.suppress(OSError):  # the lab has gone meanwhile
                link.send(str(pid).encode())
            continue
        link.close()
        job = json.loads(message)
        with contextlib.suppress(IsServer):
            guard(job, files)
        break
    serve(job)


if __name__ == "__main__":
    main()
