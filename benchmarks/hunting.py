"""The leak hunter beside other tools, on applications that leak and on applications that only look as if they did.

    python benchmarks/hunting.py                       the hunter on every application, every peer on some
    python benchmarks/hunting.py --tools hunter --only native --repeats 1
    python benchmarks/hunting.py --rows rows.jsonl     go on where an earlier run with this file stopped

The applications stand in ``benchmarks/apps``. The head of each leaky one says what is true of it: ``# holder:``, a
regular expression that the named holder has to match; ``# bytes:``, what a session leaves, as it was planted, or as
``benchmarks/weigh.py`` weighed it; ``# objects:``, how many items or objects, where bytes would say little.
The peers are installed into a folder that goes with the run. Each is used as its own documentation recommends
(``benchmarks/peers``), on the same visits as the hunter's, and judged by the rule that its module states.

A run counts as right in size when it is within 20 % of the truth. Seconds depend on what else the machine does;
CPU seconds are of the tool, the server and the visitors together. The table is written to ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL = ("psleak==0.1.6", "memray==1.20.0", "objgraph==3.7.0", "guppy3==3.1.7")
PEERS = ("psleak", "memray", "objgraph", "guppy3", "tracemalloc", "bokeh_log")
NAMES = {"hunter": "sessionlab hunt", "bokeh_log": "Bokeh --mem-log-frequency"}
# One of every kind of mechanism: an object, bytes, native memory, a thread, a cache, a registry, a closure, a library's
# own table; and of every kind of suspect: nothing at all, a bound, a late import, cycles, a ring, a thread that ends.
FOR_PEERS = (
    ("one_object", "one_kilobyte", "native", "thread", "lru_method", "watcher", "closure", "notifications"),
    ("blank", "bounded_lru", "late_import", "cycles", "ring", "short_thread", "growing_then_flat", "widgets"),
)
WITHIN = 0.2
PATIENCE = 300  # seconds that a tool may take for one application


@dataclass(frozen=True)
class App:
    """An application and what is true of it. ``verdict`` is leak, never-expires, or fine."""

    file: Path
    verdict: str
    holder: str = ""
    bytes: float | None = None
    objects: float | None = None

    @classmethod
    def read(cls, file: Path) -> App:
        head = dict(re.findall(r"^# (\w+): (.+)$", file.read_text("utf-8"), re.MULTILINE))
        verdict = head.get("verdict", "leak") if file.parent.name == "leaky" else "fine"
        numbers = {name: float(head[name]) for name in ("bytes", "objects") if name in head}
        return cls(file, verdict, head.get("holder", ""), **numbers)


@dataclass(frozen=True)
class Row:
    """One tool on one application. ``size`` and ``named`` are None where there is nothing to be right about."""

    tool: str
    app: str
    leaky: bool
    verdict: str
    right: bool
    size: bool | None
    named: bool | None
    seconds: float
    cpu: float
    said: str


def applications(only: str) -> list[App]:
    files = [*sorted((HERE / "apps" / "leaky").glob("*.py")), *sorted((HERE / "apps" / "innocent").glob("*.py"))]
    return [App.read(file) for file in files if not file.name.startswith("_") and re.search(only, str(file))]


def wanted(app: App, tool: str, only: str) -> bool:
    """Peers are slow: unless applications are named, they get the chosen ones."""
    return tool == "hunter" or bool(only) or any(app.file.stem in stems for stems in FOR_PEERS)


def run(tool: str, app: App, folder: str, blank: dict | None) -> tuple[Row, dict]:
    """One tool on one application, in a process of its own, so that its CPU time can be told."""
    if tool == "hunter":
        command = [Path(sys.executable).with_name("sessionlab"), "hunt", app.file, "--json"]
    else:
        command = [sys.executable, "-m", "peers.run", tool, app.file]
        command += ["--blank", json.dumps(blank)] if blank else []
    path = os.pathsep.join(filter(None, [folder, str(HERE), os.environ.get("PYTHONPATH")]))
    begin, before = time.monotonic(), _cpu()
    try:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": path},
        )
        answer = json.loads(done.stdout or "{}")
        if "verdict" not in answer:
            answer = {"verdict": "failed", "said": answer.get("error") or done.stderr[-300:]}
    except subprocess.TimeoutExpired:
        answer = {"verdict": "no end", "said": f"no answer in {PATIENCE} s"}
    spent = time.monotonic() - begin, _cpu() - before
    return (judged(tool, app, answer, *spent) if tool == "hunter" else peer_judged(tool, app, answer, *spent)), answer


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(tool: str, app: App, answer: dict, seconds: float, cpu: float) -> Row:
    """The hunter's answer against the truth."""
    verdict, culprits = answer["verdict"], answer.get("culprits", [])
    right = verdict in ("clean", "bounded") if app.verdict == "fine" else verdict == app.verdict
    found = next((c for c in culprits if re.search(app.holder, c["holder"])), None) if app.holder else None
    size = None
    if app.bytes is not None:
        size = near(answer.get("per_session", {}).get("bytes"), app.bytes)
    elif app.objects is not None:
        size = near(found and found["grows_by"], app.objects)
    said = "; ".join(c["holder"] for c in culprits[:3]) or answer.get("said", "")
    if culprits:
        said += f" ({answer['per_session']['bytes']:.0f} B, {culprits[0]['grows_by']:.2f} a session)"
    named = found is not None if app.verdict != "fine" else None
    return Row(tool, app.file.stem, app.verdict != "fine", verdict, right, size, named, seconds, cpu, said)


def peer_judged(tool: str, app: App, answer: dict, seconds: float, cpu: float) -> Row:
    """A peer's answer against the truth. Its text may name the holder, or a line of the application's own files."""
    leaky, verdict = app.verdict != "fine", answer["verdict"]
    right = verdict == ("leak" if leaky else "clean")
    size = named = None
    if leaky:
        names = re.search(app.holder, answer.get("said", "")) or re.search(
            rf"(^|/)({app.file.stem}|_kept)\.py:\d+", answer.get("said", "")
        )
        named = bool(names)
        truth = app.bytes
        if truth is not None:
            size = near(answer.get("bytes"), truth)
        elif app.objects is not None:
            size = near(answer.get("objects"), app.objects)
    return Row(tool, app.file.stem, leaky, verdict, right, size, named, seconds, cpu, answer.get("said", "")[:300])


def near(value: float | None, truth: float) -> bool:
    return value is not None and abs(value - truth) <= WITHIN * truth


def rows_of(tools: list[str], apps: list[App], only: str, repeats: int, kept: list[Row], folder: str) -> Iterator[Row]:
    """Every row that is not kept from an earlier run. A peer sees the blank application first: its own zero."""
    blank_app = App.read(HERE / "apps" / "innocent" / "blank.py")
    for tool in tools:
        zero = None
        for app in apps:
            times = repeats if tool == "hunter" else 1
            done = sum((r.tool, r.app, r.leaky) == (tool, app.file.stem, app.verdict != "fine") for r in kept)
            if not wanted(app, tool, only) or done >= times:
                continue
            if tool != "hunter" and zero is None:
                zero = run(tool, blank_app, folder, None)[1].get("windows", {})
            for _ in range(times - done):
                yield run(tool, app, folder, zero)[0]


def install(folder: str) -> None:
    """The peers, without what they depend on: that is here already."""
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", folder, "--no-deps", *INSTALL]
    subprocess.run([sys.executable, "-m", *command], check=True)


def table(rows: list[Row]) -> str:
    """The rows as Markdown: a summary by tool, then the hunter application by application."""
    lines = [
        "| tool | apps | leaks found | false alarms | size within 20 % | holder named | s, leak | s, no leak | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    tools = [tool for tool in ("hunter", *PEERS) if any(row.tool == tool for row in rows)]
    for tool in tools:
        mine = [row for row in rows if row.tool == tool]
        leaky, fine = [r for r in mine if r.leaky], [r for r in mine if not r.leaky]
        sized, named = [r for r in leaky if r.size is not None], [r for r in leaky if r.named is not None]
        cells = [
            NAMES.get(tool, tool),
            str(len({(r.app, r.leaky) for r in mine})) + (f" × {repeats}" if (repeats := _repeats(mine)) > 1 else ""),
            f"{sum(r.right for r in leaky)} of {len(leaky)}",
            f"{sum(not r.right for r in fine)} of {len(fine)}",
            f"{sum(bool(r.size) for r in sized)} of {len(sized)}",
            f"{sum(bool(r.named) for r in named)} of {len(named)}",
            *(f"{statistics.median(r.seconds for r in some):.0f}" if some else "" for some in (leaky, fine)),
            f"{statistics.median(r.cpu for r in mine):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Wrong in verdict, size or holder:", ""]
    wrong = [r for r in rows if r.tool == "hunter" and not (r.right and r.size is not False and r.named is not False)]
    lines += [f"- `{r.app}`: {r.verdict}; {r.said}" for r in wrong] or ["- the hunter: nothing."]
    for tool in tools:
        if tool != "hunter":
            missed = [f"`{r.app}` ({r.verdict})" for r in rows if r.tool == tool and not r.right]
            lines.append(f"- {NAMES.get(tool, tool)}, verdict: {', '.join(missed) or 'nothing'}.")
    return "\n".join(lines)


def _repeats(rows: list[Row]) -> int:
    return max(sum((r.app, r.leaky) == (o.app, o.leaky) for o in rows) for r in rows)


def write(text: str, name: str = "hunting") -> None:
    """Put the table between its marks in the README beside this file."""
    readme = HERE / "README.md"
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = readme.read_text("utf-8")
    head, _, rest = whole.partition(begin)
    readme.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a regular expression for the applications' paths")
    parser.add_argument("--repeats", type=int, default=3, help="of the hunter; every peer runs once")
    parser.add_argument("--tools", default=",".join(("hunter", *PEERS)), help="hunter and peers, separated by commas")
    parser.add_argument("--rows", type=Path, help="keep the rows in this file, and go on from it")
    options = parser.parse_args()
    tools = [tool for tool in options.tools.split(",") if tool]
    if unknown := set(tools) - {"hunter", *PEERS}:
        parser.error(f"no such tool: {', '.join(unknown)}; there are hunter, {', '.join(PEERS)}")
    apps = applications(options.only)
    if not apps:
        parser.error(f"no application fits {options.only!r}")
    kept = []
    if options.rows and options.rows.exists():
        kept = [Row(**json.loads(line)) for line in options.rows.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        if any(tool != "hunter" for tool in tools):
            install(folder)
        for row in rows_of(tools, apps, options.only, options.repeats, kept, folder):
            kept.append(row)
            mark = "ok   " if row.right and row.size is not False and row.named is not False else "WRONG"
            print(
                f"{mark} {row.tool:11} {'leaky' if row.leaky else 'fine':5} {row.app:22} {row.verdict:13}"
                f" size={row.size!s:5} named={row.named!s:5} {row.seconds:5.1f} s {row.cpu:5.1f} CPU s  {row.said}",
                flush=True,
            )
            if options.rows:
                with options.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print("\n" + table(kept))
    if not options.only:
        write(table(kept))


if __name__ == "__main__":
    main()
