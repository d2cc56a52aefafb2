"""Run the proofs of all claims with the newest Panel and Bokeh of the index, and list the claims that have changed.

    python -m sessionlab.course.claims_next [REQUIREMENT ...]     for instance "panel>=1.10.0a0" "bokeh==3.10.*"

By default with the newest releases, and then with the newest of all, which may be a pre-release. Each pair has an
environment of its own, which is gone afterwards. Which versions can be had depends on the Python that runs this: Bokeh
3.10 wants Python 3.12. The exit code is 1 if a claim has changed.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from sessionlab.course.catalogue import ROOT
from sessionlab.course.claims import load
from sessionlab.course.proofs import sections

LOCKED = ROOT / "requirements.lock"
UV = [sys.executable, "-m", "uv"]
PACKAGES = ("panel", "bokeh", "tornado")
NEWEST = (["panel", "bokeh"], ["panel>=0a0", "bokeh>=0a0"])  # the second admits pre-releases


def environment(folder: Path, wanted: Sequence[str], base: str = sys.executable) -> Path:
    """The environment of the course with ``wanted`` in place of the locked Panel and Bokeh; gives its Python.

    ``base`` is the Python that it is made from. Raises CalledProcessError if there is none.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    without = folder.with_suffix(".txt")
    locked = LOCKED.read_text(encoding="utf-8")
    without.write_text(re.sub(r"(?m)^(?:panel|bokeh)==(?:.*\\\n)*.*\n", "", locked), encoding="utf-8")
    subprocess.run([*UV, "venv", "--quiet", "--python", base, folder], check=True)
    install: list[str | Path] = [*UV, "pip", "install", "--quiet", "--python", python]
    subprocess.run([*install, "--no-deps", "--requirement", without], check=True)
    subprocess.run([*install, *wanted], check=True)
    subprocess.run([*install, "--no-deps", "--editable", ROOT], check=True)
    return python


def versions(python: Path) -> dict[str, str]:
    """Which Panel, Bokeh and Tornado an environment has."""
    freeze: list[str | Path] = [*UV, "pip", "freeze", "--quiet", "--python", python]
    lines = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    return dict(re.findall(rf"(?m)^({'|'.join(PACKAGES)})==(\S+)", lines))


def run(python: Path, nodes: Sequence[str], report: Path) -> dict[str, str]:
    """Run tests and notebooks; ``file::name`` of each test or cell -> passed, failed or skipped."""
    pytest: list[str | Path] = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    subprocess.run([*pytest, f"--junitxml={report}", *nodes], cwd=ROOT, check=False)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[f"{case.get('file')}::{case.get('name')}"] = outcome
    return found


def parts(proof: str) -> list[str]:
    """Patterns of the names under which pytest reports a proof: a test with its cases, or the cells of a section."""
    if "::" in proof:
        return [rf"{re.escape(proof)}(\[.*\])?"]
    file, heading = proof.split("#", 1)
    every = [cell for cells in sections(ROOT / file).values() for cell in cells if cell.cell_type == "code"]
    mine = [cell for cell in sections(ROOT / file)[heading] if cell.cell_type == "code"]
    return [rf"{re.escape(file)}::Cell {number}" for number, cell in enumerate(every) if any(cell is m for m in mine)]


def outcome(proof: str, found: dict[str, str]) -> str:
    """What became of a proof: the worst of its parts."""
    if proof.endswith(".json") or proof.startswith("https://"):
        return "recorded"
    patterns = parts(proof)
    outcomes = {value for name, value in found.items() if any(re.fullmatch(pattern, name) for pattern in patterns)}
    return next((worst for worst in ("failed", "skipped", "passed") if worst in outcomes), "not run")


def compare(wanted: Sequence[str]) -> bool:
    """Run all proofs with ``wanted`` and print what has changed; True if a claim has."""
    claims = load()
    proofs = [proof for claim in claims for proof in claim.proof]
    files = {proof.partition("#")[0] for proof in proofs if proof.startswith(("tests/", "notebooks/"))}
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = environment(Path(folder, "newest"), wanted)
        except subprocess.CalledProcessError:
            print(f"{' and '.join(wanted)} cannot be had for this Python: see above.")
            return False
        found_versions = versions(python)
        shown = ", ".join(f"{package} {version}" for package, version in found_versions.items())
        if found_versions == {package: importlib.metadata.version(package) for package in PACKAGES}:
            print(f"The newest for this Python are those of the course: {shown}. Nothing to compare.")
            return False
        print(f"Running the proofs with {shown}", flush=True)
        found = run(python, sorted(files), Path(folder, "report.xml"))
    outcomes = [(claim, proof, outcome(proof, found)) for claim in claims for proof in claim.proof]
    changed = [row for row in outcomes if row[2] in ("failed", "not run")]
    print(f"\nWith {shown}: {len({claim.id for claim, *_ in changed})} of {len(claims)} claims have changed.")
    for claim, proof, how in changed:
        print(f"{claim.id}  {claim.says}\n     {how}: {proof}")
    return bool(changed)


def main() -> None:
    pairs = [sys.argv[1:]] if sys.argv[1:] else NEWEST
    changed = [compare(pair) for pair in pairs]
    sys.exit(any(changed))


if __name__ == "__main__":
    main()
