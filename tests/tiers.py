"""The tiers of the tests, who runs beside whom, and what a run took. A plugin of the root's ``conftest.py``.

What bears no mark starts no process: `make check`. `make test` leaves out ``slow``; `make test-all` leaves out nothing.
With pytest-xdist, tests that share something (the server of a module, the kernel of a notebook) stay in one process.
"""

from __future__ import annotations

import os
import sys
import time

import psutil
import pytest

# Audit events of CPython that say: another process starts. Programs of a moment are no servers.
STARTS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty"}
OF_A_MOMENT = {"git", "ruff", "uname", "ldconfig", "gcc"}
RANKS = {"slow": 1, "server": 2}  # after the notebooks, which are the longest; what takes no time fills the end


class Guard:
    """A test without a mark that starts a process fails, so that the quick tier stays quick by itself."""

    def __init__(self) -> None:
        self.guarded: str | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.guarded is None or event not in STARTS:
            return
        program = os.path.basename(str(arguments[0])) if arguments else ""
        if program not in OF_A_MOMENT:
            raise RuntimeError(f"{self.guarded} starts {program or event}: mark it with pytest.mark.server.")


guard = Guard()


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
        if item.path.suffix == ".ipynb" or shared(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if item.path.suffix == ".ipynb":
            item.add_marker("server")  # a kernel
    items.sort(key=rank)


def pytest_collection_finish(session: pytest.Session) -> None:
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("This pytest-xdist does not keep groups together with this pytest: see pyproject.toml.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    guard.guarded = item.nodeid if rank(item) == 3 else None
    try:
        return (yield)
    finally:
        guard.guarded = None


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEGAN] = time.perf_counter()


def pytest_terminal_summary(terminalreporter, config) -> None:
    times = psutil.Process().cpu_times()  # of this process and of all that it has waited for
    used = times.user + times.system + times.children_user + times.children_system
    wall = time.perf_counter() - config.stash[BEGAN]
    terminalreporter.section("time")
    terminalreporter.write_line(f"wall {wall:.0f} s, CPU {used:.0f} s (this process and every one that it waited for)")


BEGAN = pytest.StashKey[float]()
