"""`--num-procs`: who ends the parent leaves its children serving. Exit code 1 if so, 0 if not. Linux.

1. SIGTERM to the parent. 2. SIGTERM to the parent as process 1 of a container. 3. SIGKILL to the parent.
"""

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 6  # seconds for all processes to end
CLONE_NEWPID, PR_SET_CHILD_SUBREAPER = 0x20000000, 36
libc = ctypes.CDLL(None, use_errno=True)


def serve(script, write):
    """In a forked process: `bokeh serve --num-procs 2`, with its log going to `write`."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(write, 1)
    os.dup2(write, 2)
    from bokeh.command.bootstrap import main

    main(["bokeh", "serve", script, "--num-procs", "2", "--port", "0", "--address", "127.0.0.1"])


def start(script, as_process_1):
    """Fork a server; return its process id and those of its two children, once both serve."""
    read, write = os.pipe()
    if as_process_1 and libc.unshare(CLONE_NEWPID):  # from here on, what this process forks is in a new namespace
        raise PermissionError(ctypes.get_errno(), "this user may not make a PID namespace")
    parent = os.fork()
    if parent == 0:
        try:
            serve(script, write)
        finally:
            os._exit(0)
    os.close(write)
    log = ""
    while len(re.findall("Starting Bokeh server with process id", log)) < 2:
        log += os.read(read, 4096).decode()
    return parent, [pid for pid in processes() if parent_of(pid) == parent], read


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_of(pid):
    with contextlib.suppress(OSError):
        return int(re.search(r"^PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def alive(pid):
    with contextlib.suppress(OSError):
        return not re.search(r"^State:\s*Z", Path(f"/proc/{pid}/status").read_text(), re.M)
    return False


def case(script, number, as_process_1):
    """Send the signal to the parent alone; how many of the three processes are still there after a while?"""
    parent, children, read = start(script, as_process_1)
    family = [parent, *children]
    assert len(family) == 3, family
    try:
        os.kill(parent, number)
        deadline = time.monotonic() + PATIENCE
        while any(map(alive, family)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return sum(map(alive, family))
    finally:
        os.close(read)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(alive, family)):
            time.sleep(0.01)


def apart(*arguments):
    """`case` in a process of its own, which takes its PID namespace with it. Returns a function that waits for it."""
    runner = os.fork()
    if runner == 0:
        try:
            os._exit(case(*arguments))
        except PermissionError:
            os._exit(77)
        finally:
            os._exit(99)

    def result():
        code = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
        assert code in (0, 1, 2, 3, 77), code
        return None if code == 77 else code

    return result


def main():
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to this process, not to process 1
    cases = {
        "SIGTERM to the parent": (signal.SIGTERM, False),
        "SIGTERM to the parent as process 1": (signal.SIGTERM, True),
        "SIGKILL to the parent": (signal.SIGKILL, False),
    }
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "script.py")
        Path(script).write_text("from bokeh.io import curdoc\ncurdoc().title = 'an application'\n")
        running = {name: apart(script, *arguments) for name, arguments in cases.items()}
        left = {name: result() for name, result in running.items()}
    for name, count in left.items():
        answer = f"{count} of 3 processes go on" if count is not None else "not tried: no right to make a PID namespace"
        print(f"{name}: {answer}" + (" (good)" if count == 0 else ""))
    return any(left.values())


sys.exit(main())
