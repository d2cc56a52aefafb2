"""A container's memory limit, by a real control group: what the kernel does, and `SessionLimits` before it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from sessionlab import serve, visit
from sessionlab.errors import VisitFailed

pytestmark = pytest.mark.server

LIMIT = 300_000_000  # bytes that the server may take after its start
SESSION = 20_000_000
ROOTS = {"memory.limit_in_bytes": Path("/sys/fs/cgroup/memory"), "memory.max": Path("/sys/fs/cgroup")}  # version 1, 2
APP = """
    import panel as pn
    from sessionlab.harden import SessionLimits, on_session_destroyed

    LIMITS
    data = b"x" * SESSION
    on_session_destroyed(lambda context, data=data: print("hook", flush=True))
    pn.pane.Str("here").servable()
"""


class Group:
    """A control group with a memory limit."""

    def __init__(self, folder: Path):
        self.folder = folder

    def add(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        told = next(f for name in ("memory.oom_control", "memory.events") if (f := self.folder / name).exists())
        return int(re.search(r"oom_kill (\d+)", told.read_text())[1])


@pytest.fixture
def group():
    for name, root in ROOTS.items():
        folder = root / f"sessionlab-{os.getpid()}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            try:
                if not (folder / name).exists():
                    continue
                (folder / name).write_text(str(LIMIT))
                for swap, most in (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", LIMIT)):
                    with contextlib.suppress(OSError):  # where there is swap, it is of no use either
                        (folder / swap).write_text(str(most))
                yield Group(folder)
                return
            finally:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    pytest.skip("this machine lets nobody make a control group with a memory limit")


def source(limits: str) -> str:
    return APP.replace("LIMITS", limits).replace("SESSION", str(SESSION))


async def visitors(url: str, stack: contextlib.AsyncExitStack) -> None:
    """More visitors than fit, who all stay."""
    for _ in range(LIMIT // SESSION + 10):
        await stack.enter_async_context(visit(url, timeout=30))


async def test_the_kernel_kills_the_server_and_no_hook_runs(app, group):
    with serve(app(source(""))) as server:
        server.log.wait_for("^hook")  # of the page that `serve` asks for first
        group.add(server.pid)
        async with contextlib.AsyncExitStack() as stack:
            with pytest.raises(VisitFailed):
                await visitors(server.url, stack)
            assert server.wait(30) == -signal.SIGKILL
        assert group.kills == 1
        assert len(server.log.matching("^hook")) == 1


async def test_with_a_cap_below_the_limit_a_visitor_is_told_and_the_server_lives(app, group):
    # What the server took before its group began to count, some 100 MB, the cap counts too.
    with serve(app(source(f"SessionLimits(memory={LIMIT}).install()"))) as server:
        group.add(server.pid)
        async with contextlib.AsyncExitStack() as stack:
            with pytest.raises(VisitFailed, match="answered 503") as told:
                await visitors(server.url, stack)
            assert "The application is full" in told.value.why
        assert group.kills == 0 and server.alive
