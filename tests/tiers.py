"""The tiers of the tests, who runs beside whom, and what a run took. A plugin of the root's ``conftest.py``.

What bears no mark starts no process: `make check`. `make test` leaves out what is ``slow``, each with the reason in its
mark; `make test-all` leaves out nothing.
With pytest-xdist, tests that share something (the server of a module, the kernel of a notebook) stay in one process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import psutil
import pytest

# programs that are no servers; matplotlib asks the last two for fonts, once on a machine
OF_A_MOMENT = {"git", "ruff", "uname", "ldconfig", "gcc", "fc-list", "system_profiler"}
RANKS = {"slow": 1, "server": 2}  # after the notebooks, which are the longest; what takes no time fills the end


@contextlib.contextmanager
def no_process(test: str):
    """A test without a mark that starts a process fails, so that the quick tier stays quick by itself.

    No audit hook: CPython raises an event for every call of `id`, and a walk through the heap has millions.
    """

    def refuse(program) -> None:
        raise RuntimeError(f"{test} starts {program}: mark it with pytest.mark.server.")

    def popen(self, args, *rest, **options):
        program = os.path.basename(os.fspath(args[0] if isinstance(args, list | tuple) else args.split()[0]))
        if program not in OF_A_MOMENT:
            refuse(program)
        return start(self, args, *rest, **options)

    start = subprocess.Popen.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", popen)
        for name in ("fork", "forkpty", "posix_spawn"):
            if hasattr(os, name):
                patch.setattr(os, name, lambda *arguments, name=name: refuse(f"a process by os.{name}"))
        yield


def rank(item: pytest.Item) -> int:
    if item.path.suffix == ".ipynb":
        return 0
    return min([RANKS[name] for name in RANKS if item.get_closest_marker(name)], default=3)


def shared(item: pytest.Item) -> bool:
    """Whether a test uses a fixture that its module makes once."""
    definitions = getattr(item, "_fixtureinfo", None)
    return definitions is not None and any(
        fixture.scope in ("module", "session") and fixture.baseid == item.nodeid.split("::")[0]
        for several in definitions.name2fixturedefs.values()
        for fixture in several
    )


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # two groups would be joined into one of another name
        if (item.path.suffix == ".ipynb" or shared(item)) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if item.path.suffix == ".ipynb":
            item.add_marker("server")  # a kernel
        if any(not mark.args for mark in item.iter_markers("slow")):
            raise pytest.UsageError(f"{item.nodeid} is slow without a reason: pytest.mark.slow('why').")
    items.sort(key=rank)


def pytest_collection_finish(session: pytest.Session) -> None:
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("This pytest-xdist does not keep groups together with this pytest: see pyproject.toml.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    with no_process(item.nodeid) if rank(item) == 3 else contextlib.nullcontext():
        return (yield)


def pytest_sessionstart(session: pytest.Session) -> None:
    # A shell starts what runs in the background with Ctrl-C ignored, and every process hands that on to its children.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    session.config.stash[BEGAN] = time.perf_counter(), busy()


def pytest_terminal_summary(terminalreporter, config) -> None:
    began, before = config.stash[BEGAN]
    wall, used = time.perf_counter() - began, busy() - before
    terminalreporter.section("time")
    terminalreporter.write_line(f"wall {wall:.0f} s, CPU {used:.0f} s (of this machine, whoever used it)")


def busy() -> float:
    """Seconds that the processors of this machine have worked: forked servers are nobody's children."""
    times = psutil.cpu_times()
    return times.user + times.system


BEGAN = pytest.StashKey[tuple[float, float]]()
