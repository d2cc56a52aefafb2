"""Every fault in `upstream/` is still there, and every proposed replacement mends it."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from pathlib import Path

import psutil
import pytest
from machine import alive, browser_or_skip

from sessionlab.client.browser import find_chromium
from sessionlab.syntax import parse

UPSTREAM = Path(__file__).parent.parent / "upstream"
FASTAPI = {"fastapi", "bokeh_fastapi", "uvicorn"}
FAULTS = sorted(path for path in UPSTREAM.iterdir() if (path / "reproduce.py").exists())


async def run(folder: Path, code: str) -> tuple[int, str]:
    """Exit code and output of ``code`` in a process of its own, started in ``folder``."""
    environment = dict(os.environ)
    if "CHROME_PATH" in (folder / "reproduce.py").read_text():
        browser_or_skip()
        environment["CHROME_PATH"] = str(find_chromium())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(150):
            output, _ = await process.communicate()
    except TimeoutError:
        for left in psutil.Process(process.pid).children(recursive=True):
            left.kill()
        process.kill()
        await process.wait()
        raise
    return process.returncode, output.decode()


@pytest.mark.slow("a server with the fault, and one with the fix")
@pytest.mark.server
@pytest.mark.skipif(sys.platform != "linux", reason="the reproducers of what happens to processes are for Linux")
@pytest.mark.parametrize("folder", FAULTS, ids=lambda folder: folder.name)
async def test_the_fault_is_there_and_the_fix_mends_it(folder):
    before = set(psutil.pids())
    (stock, shown), (fixed, mended) = await asyncio.gather(
        run(folder, "import reproduce"), run(folder, "import fix, reproduce")
    )
    assert stock == 1 and "Traceback" not in shown, shown
    assert "good" not in shown, "the fault shows in every case that is tried"
    assert fixed == 0 and "Traceback" not in mended, mended
    assert "good" in mended
    servers = [pid for pid in set(psutil.pids()) - before if alive(pid) and str(folder.name) in command_of(pid)]
    assert not servers


def command_of(pid: int) -> str:
    try:
        return " ".join([*psutil.Process(pid).cmdline(), psutil.Process(pid).cwd()])
    except psutil.Error:
        return ""


@pytest.mark.parametrize("folder", FAULTS, ids=lambda folder: folder.name)
def test_the_report_is_complete(folder):
    report = (folder / "README.md").read_text()
    headings = re.findall(r"^\*\*(.+?)\.\*\*", report, re.M)
    assert [h for h in headings if h != "Cause"] == ["Expected", "Observed", "Versions", "Proposed fix"]
    assert f"({folder.name})" in (UPSTREAM / "README.md").read_text()


@pytest.mark.parametrize("folder", FAULTS, ids=lambda folder: folder.name)
def test_the_reproducer_stands_alone(folder):
    """It can be pasted into an issue: it needs nothing of this repository, and does not know of the fix."""
    for name in ("reproduce.py", "fix.py"):
        modules = set()
        for node in ast.walk(parse((folder / name).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").split(".")[0])
        assert modules <= sys.stdlib_module_names | {
            "panel",
            "panel_material_ui",
            "param",
            "bokeh",
            "tornado",
            *FASTAPI,
        }
