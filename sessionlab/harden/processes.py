"""What ties the processes of ``--num-procs`` together: a parent that ends takes its children along, in order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time


class Lifeline:
    """A pipe from the parent to its children: it breaks when the parent lets go, and when the parent dies."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def let_go(self) -> None:
        """In the parent: ask all children to end."""
        with contextlib.suppress(OSError):  # a second signal
            os.close(self._write)

    def hold(self) -> None:
        """In a child: send this process a SIGTERM as soon as the parent has let go."""
        os.close(self._write)
        threading.Thread(target=self._wait, name="lifeline", daemon=True).start()

    def _wait(self) -> None:
        os.read(self._read, 1)
        os.kill(os.getpid(), signal.SIGTERM)


def follow_parent() -> None:
    """In a child that has no lifeline: send this process a SIGTERM when it has got another parent."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
