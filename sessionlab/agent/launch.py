"""The first thing that runs in a served process: it hands over to ``panel serve`` or ``bokeh serve``.

    python -P -m sessionlab.agent.launch panel serve app.py --port 0 …

It changes nothing that an application can see. It reports three things to the lab that started it (the port
once it is bound, the routes, and an application that failed while it was loaded), ties the process to its
parent on Linux, and puts the agent in. Imports only the standard library, Bokeh and, through its command
line, the framework that was asked for. What a command of one's own starts is reached by ``attach.py`` instead.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

from sessionlab.agent.announce import report_failures, report_listening, take_pipe

TOKEN = "SESSIONLAB_PROBE_TOKEN"
GUARD = "SESSIONLAB_GUARD"  # the variable of the environment with the number of the process that guards this one
ELEMENTS = "SESSIONLAB_ELEMENTS"
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the guard ends, even by ``kill -9``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def answer_where() -> None:
    """The lab asks with a signal where an application hangs: every thread's stack goes into the log."""
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, file=sys.stdout, all_threads=True)


def prepare() -> None:
    """Tie this process to the lab, and put the agent into every server that it makes."""
    die_with_parent()
    answer_where()
    token = os.environ.pop(TOKEN, "")
    take_pipe()
    os.environ.pop(GUARD, None)
    if cwd := os.environ.pop("SESSIONLAB_IMPORT_FROM", ""):
        sys.path.insert(0, cwd)
    if token:  # a lab reads the log; the launcher tiles of JupyterLab come without
        report_listening()
        report_failures()
        from sessionlab.agent import agent

        agent.install(token, elements=bool(os.environ.pop(ELEMENTS, "")))


def main() -> None:
    prepare()
    framework = sys.argv[1]
    sys.argv = sys.argv[1:]
    if framework == "panel":
        from panel.command import main as command
    else:
        from bokeh.__main__ import main as command  # type: ignore[assignment]
    sys.exit(command())


if __name__ == "__main__":
    main()
