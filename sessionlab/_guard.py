"""The guard: a small process between the lab and a server, so that no server outlives the lab.

It runs one command and waits on its own standard input. The lab holds the other end of that pipe, and the
kernel of the operating system closes it however the lab ends: an exit, a crash, ``kill -9``. Then everything
that the command ever started is ended, first asked, then forced. Run as a script, or by ``_fork_server.py`` in a fork.

It talks to the lab on standard output, between the lines of the server's own log: a line that starts with
the ASCII record separator is an event in JSON.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading

import psutil

GRACE = 0.8  # seconds between asking and forcing; the promise is that all is gone within two
PR_SET_CHILD_SUBREAPER = 36


def announce(**event):
    os.write(1, b"\x1e" + json.dumps(event).encode() + b"\n")


def adopt_orphans():
    """Make the grandchildren whose parent has ended ours, so that they can still be found (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def is_alive(process):
    """Whether the process runs: a family changes while one looks at it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes):
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                ask(process)
        _, processes = psutil.wait_procs(processes, timeout=GRACE)


def start():
    return subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)


def name_the_log():
    """Let what is started know the pipe that the lab reads, and who started it."""
    log = os.fstat(1)
    os.environ["SESSIONLAB_LOG"] = f"{log.st_dev}:{log.st_ino}"
    os.environ["SESSIONLAB_GUARD"] = str(os.getpid())


def main(start=start):
    adopt_orphans()
    name_the_log()
    # Who was started with Ctrl-C ignored, as in the background of a shell, hands that on: a server shall not be.
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        child = start()
    except OSError as error:
        announce(event="exit", code=127, why=str(error))
        return
    finally:
        signal.signal(signal.SIGINT, ours)
    announce(event="started", pid=child.pid)

    def report():
        announce(event="exit", code=child.wait())

    threading.Thread(target=report, daemon=True).start()
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    # The lab is gone or has let go. Processes may still be forking: look until nobody is left.
    while left := list(filter(is_alive, psutil.Process().children(recursive=True))):
        end(left)
    os._exit(0)


if __name__ == "__main__":
    main()
