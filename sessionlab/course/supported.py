"""Run the tests of harden, serve, visit, hunt and audit with every Python, Panel and Bokeh that is supported.

    python -m sessionlab.course.supported

Each pair of Panel and Bokeh, with each Python that this machine has, in an environment of its own, which is gone
afterwards. Prints a table, and every test that failed. The exit code is 1 if one did.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from sessionlab.course.catalogue import ROOT
from sessionlab.course.claims_next import UV, environment, run, versions

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PAIRS = (["panel==1.8.*", "bokeh==3.8.*"], ["panel==1.9.*", "bokeh==3.8.*"], ["panel==1.9.*", "bokeh==3.9.*"])
TESTS = ("harden_*", "serve", "starts", "protocol", "crowd", "hunt", "audit")


def pythons() -> dict[str, str]:
    """The supported Pythons of this machine: version -> program."""
    found = {}
    for version in PYTHONS:
        find = [*UV, "python", "find", "--no-python-downloads", "--no-project", version]
        told = subprocess.run(find, capture_output=True, text=True, check=False)
        if told.returncode == 0:
            found[version] = told.stdout.strip()
    return found


def tried(version: str, python: str, pair: list[str], folder: Path) -> list[str]:
    """Run the tests with one Python and one pair; prints a row of the table, gives what failed."""
    try:
        program = environment(folder / "environment", pair, python)
    except subprocess.CalledProcessError:
        print(f"| {version} | {' '.join(pair)} | cannot be had for this Python |", flush=True)
        return []
    nodes = sorted(str(path.relative_to(ROOT)) for name in TESTS for path in ROOT.glob(f"tests/test_{name}.py"))
    outcomes = run(program, nodes, folder / "report.xml")
    known = ", ".join(f"{package} {number}" for package, number in versions(program).items())
    counts = Counter(outcomes.values())
    shown = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
    print(f"| {version} | {known} | {shown} |", flush=True)
    return [test for test, outcome in outcomes.items() if outcome == "failed"]


def main() -> None:
    known = pythons()
    print(
        f"Pythons of this machine: {', '.join(known)}; not here: {', '.join(sorted({*PYTHONS} - {*known})) or 'none'}."
    )
    print("| Python | packages | tests |\n|---|---|---|", flush=True)
    failed = []
    for version, python in known.items():
        for pair in PAIRS:
            with tempfile.TemporaryDirectory() as folder:
                failed += [
                    f"{version}, {' '.join(pair)}: {test}" for test in tried(version, python, pair, Path(folder))
                ]
    print(*failed, sep="\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
