"""Do the promises of `harden` for production hold: caps under a thousand dropped sessions, drains, and scrapes?

    python benchmarks/production.py [caps] [drains] [scrapes] [--json]        all three by default

caps      1,000 visitors come and lose the wire, one lifetime long, under a cap on their number and under one by memory
drains    20 servers with eight sessions each get SIGTERM: hooks that did not run, exit codes, seconds
scrapes   `/metrics` with 200 sessions: wall clock and CPU of the thread, and how often the collector ran meanwhile
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import statistics
import tempfile
import textwrap
import time
import urllib.request
from pathlib import Path

import psutil

from sessionlab import serve, visit

APP = """
    import os
    import panel as pn
    from sessionlab.harden import on_session_destroyed

    data = bytearray(b"x" * {size})
    say = lambda text, write=os.write: write(1, (text + "\\n").encode())

    async def late(context, say):
        import asyncio
        await asyncio.sleep(0.02)
        say("late " + context.id)

    say("born " + pn.state.curdoc.session_context.id)
    pn.state.on_session_destroyed(lambda context, say=say: say("hook " + context.id))
    on_session_destroyed(late, say)
    pn.Column(*[pn.widgets.IntSlider(label=f"s{{i}}") for i in range(10)], pn.pane.HTML("x")).servable()
"""
PLUGIN = """
    import gc, json, time
    from sessionlab.harden import SessionLimits, drain, metrics
    from tornado.web import RequestHandler

    {limits}
    drain(grace=20, notice=0.3, hooks=5)

    class Bench(RequestHandler):
        def get(self):
            collections, wall, cpu = [], [], []
            note = lambda phase, info: collections.append(info["generation"])
            registry = metrics._registry()
            gc.callbacks.append(note)
            for _ in range(400):
                began, spent = time.perf_counter(), time.thread_time()
                metrics.prometheus.generate_latest(registry)
                cpu.append(time.thread_time() - spent)
                wall.append(time.perf_counter() - began)
            gc.callbacks.remove(note)
            self.write(json.dumps({{"wall": wall, "cpu": cpu, "collections": len(collections) // 2}}))

    ROUTES = [*metrics.ROUTES, (r"/bench", Bench)]
"""


class Served:
    """A server with the application, a plugin with ``limits``, and sessions that do not expire by themselves."""

    def __init__(self, limits: str = "", size: int = 2_000_000):
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "app.py").write_text(textwrap.dedent(APP.format(size=size)))
        (folder / "plugin.py").write_text(textwrap.dedent(PLUGIN.format(limits=limits)))
        self.server = serve(
            folder / "app.py",
            lifetime=3600,
            check=5,
            panel_args=["--plugins", "plugin"],
            env={"PYTHONPATH": str(folder)},
        )

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.server.origin + path, timeout=120) as answer:
            return answer.read().decode()

    def metric(self, name: str) -> float:
        lines = self.get("/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"sessionlab_{name}"))

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *exc) -> None:
        self.server.stop()
        self._folder.cleanup()


async def caps(limits: str, visits: int = 1000) -> dict:
    """Drop so many visitors, ten at a time; the memory and the number of sessions after each twentieth part."""
    with Served(limits) as served:
        memory, live = [], []
        process = psutil.Process(served.server.pid)
        for _ in range(20):
            for _ in range(visits // 200):
                sessions = [await visit(served.server.url) for _ in range(10)]
                for session in sessions:
                    await session.drop()
            live.append(round(served.metric("sessions_live{")))
            memory.append(round(process.memory_info().rss / 1e6))
        return {
            "limits": limits or "none",
            "dropped": visits,
            "most live": max(live),
            "MB": memory,
            "evicted": round(served.metric("evicted_total{")),
            "errors": len(served.server.log.matching("Traceback|ERROR")),
        }


async def drains(times: int = 20) -> dict:
    """SIGTERM to servers with eight sessions, five of them connected, each with a plain and an async hook."""
    missed = hooks = 0
    seconds, codes = [], set()
    for _ in range(times):
        with Served(size=1000) as served:
            server = served.server
            sessions = [await visit(server.url) for _ in range(8)]
            for session in sessions[:3]:
                await session.close()
            began = time.perf_counter()
            server.kill()
            codes.add(await asyncio.to_thread(server.wait, 60))
            seconds.append(time.perf_counter() - began)
            server.log.wait_for_end(10)
            said = {
                word: {line.split()[1] for line in server.log.matching(f"^{word} ")}
                for word in ("born", "hook", "late")
            }
            hooks += 2 * len(said["born"])
            missed += len(said["born"] - said["hook"]) + len(said["born"] - said["late"])
            for session in sessions:
                await session.close()
    return {
        "drains": times,
        "hooks": hooks,
        "missed": missed,
        "exit codes": sorted(codes),
        "median seconds": round(statistics.median(seconds), 2),
        "longest": round(max(seconds), 2),
    }


async def scrapes(sessions: int = 200) -> dict:
    """Milliseconds of a scrape inside the server; the CPU clock leaves out what others do on this machine."""
    with Served(size=1000) as served:
        for _ in range(sessions):
            await visit(served.server.url)
        found = json.loads(await asyncio.to_thread(served.get, "/bench"))
        result = {"sessions": round(served.metric("sessions_live{")), "collections": found["collections"]}
        for clock in ("wall", "cpu"):
            times = sorted(1000 * t for t in found[clock])
            marks = {"median": times[len(times) // 2], "p95": times[int(0.95 * len(times))], "longest": times[-1]}
            result[f"{clock} ms"] = {name: round(ms, 2) for name, ms in marks.items()}
        return result


CAPS = ("SessionLimits(retained=100).install()", 'SessionLimits(retained=None, memory="300 MB").install()')
PARTS = {
    "scrapes": [scrapes],
    "drains": [drains],
    "caps": [*(functools.partial(caps, limits) for limits in CAPS), functools.partial(caps, "", visits=200)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"what to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {sorted(unknown)[0]!r}")
    for name in arguments.parts or PARTS:
        for part in PARTS[name]:
            found = asyncio.run(part())
            if arguments.json:
                print(json.dumps({"part": name, **found}), flush=True)
            else:
                print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
