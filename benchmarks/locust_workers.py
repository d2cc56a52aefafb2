"""The same visits by Locust, one master and two workers, and by the lab alone: do both count and measure the same?

    python benchmarks/locust_workers.py [--visits 60] [--users 6]        needs: pip install "sessionlab[load]"

All of it runs on this machine, against one server. Each visitor opens the page, clicks, sees the result, and leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from sessionlab import serve
from sessionlab.client.crowd import visit_together
from sessionlab.server import free_port

WORKERS = 2
PATIENCE = 300.0
APP = """
    import panel as pn

    count = pn.widgets.IntInput(label="count", value=0)
    add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))
    pn.Row(add, count).servable()
"""
LOCUSTFILE = """
    from locust import constant
    from sessionlab.client.locust_user import SessionUser

    class Reader(SessionUser):
        wait_time = constant(0)
        visits = {each}

        async def use(self, session):
            await session.click("add one")
            await session.wait_for("count", value=1, timeout=60)
"""


async def click(session) -> None:
    await session.click("add one")
    await session.wait_for("count", value=1, timeout=60)


def by_locust(server, folder: Path, visits: int, users: int) -> dict[str, dict]:
    """Locust's own table, by the name of the request, once every visit has been made."""
    locustfile = folder / "load.py"
    locustfile.write_text(textwrap.dedent(LOCUSTFILE).format(each=visits // users))
    locust = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless"]
    port = free_port()
    command = [
        *locust,
        "--master",
        "--expect-workers",
        WORKERS,
        "--master-bind-host",
        "127.0.0.1",
        "--master-bind-port",
    ]
    command += [port, "--host", server.url, "--users", users, "--spawn-rate", users, "--json", "--only-summary"]
    quiet = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes = [subprocess.Popen(list(map(str, command)), **quiet)]
    try:
        worker = [*locust, "--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
        silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes += [subprocess.Popen(worker, **silent) for _ in range(WORKERS)]
        deadline = time.monotonic() + PATIENCE
        while server.probe.timeline().count("disconnected") < visits and time.monotonic() < deadline:
            if processes[0].poll() is not None:
                raise SystemExit(processes[0].communicate()[1])
            time.sleep(0.2)
        processes[0].send_signal(signal.SIGTERM)
        output, errors = processes[0].communicate(timeout=60)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    start = output.find("[")
    if start < 0:
        raise SystemExit(errors)
    return {entry["name"]: entry for entry in json.loads(output[start:])}


def median(entry: dict) -> float:
    """Seconds; Locust keeps its times in milliseconds, rounded, and counted."""
    times = sorted((float(ms), number) for ms, number in entry["response_times"].items())
    half, seen = entry["num_requests"] / 2, 0
    for ms, number in times:
        seen += number
        if seen >= half:
            return ms / 1000
    raise ValueError("no request")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=60)
    parser.add_argument("--users", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if importlib.util.find_spec("locust") is None:
        sys.exit('Locust is not installed: pip install "sessionlab[load]"')
    visits = arguments.visits // arguments.users * arguments.users
    with tempfile.TemporaryDirectory() as name:
        app = Path(name) / "app.py"
        app.write_text(textwrap.dedent(APP))
        with serve(app, lifetime=600) as server:
            crowd = asyncio.run(visit_together(server, visits, together=arguments.users, during=click))
            built = server.probe.timeline().count("created")
            server.probe.reset()
            locust = by_locust(server, Path(name), visits, arguments.users)
            again = server.probe.timeline().count("created")
    ours = crowd.percentiles()
    parts = {part: {"lab": ours[part][50], "locust": median(locust[part])} for part in ("page", "connect", "pull")}
    found = {
        "visits": visits,
        "users": arguments.users,
        "workers": WORKERS,
        "sessions": {"lab": built, "locust": again},
        "counted": {"lab": len(crowd.visitors), "locust": locust["page"]["num_requests"]},
        "failed": {"lab": len(crowd.failed), "locust": sum(entry["num_failures"] for entry in locust.values())},
        "clicks seen": {"lab": visits - len(crowd.failed), "locust": locust["use"]["num_requests"]},
        "median seconds": parts,
    }
    print(json.dumps(found, indent=2) if arguments.json else table(found))


def table(found: dict) -> str:
    lines = [f"{found['visits']} visits, {found['users']} at a time{'':<6}{'lab':>10}{'Locust':>10}"]
    for name in ("counted", "sessions", "failed", "clicks seen"):
        lines.append(f"{name:<29}{found[name]['lab']:>10}{found[name]['locust']:>10}")
    for part, seconds in found["median seconds"].items():
        lines.append(f"{'median ' + part + ' (s)':<29}{seconds['lab']:>10.3f}{seconds['locust']:>10.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
