"""What those who carry on rely on: the workflow, the hooks before a commit, the citation, the list of changes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from sessionlab.doctor import PINNED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))


def jobs() -> dict:
    return yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_runs_on_three_systems_and_with_the_newest_versions():
    systems = {*jobs()["locked"]["strategy"]["matrix"]["os"], *(job["runs-on"] for job in jobs().values())}
    assert {re.match(r"[a-z]+", system)[0] for system in systems if "$" not in system} == {"ubuntu", "macos", "windows"}
    assert commands(jobs()["newest"]) == ["make claims-next"]


def test_every_supported_python_is_tested():
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert jobs()["locked"]["strategy"]["matrix"]["python"][0] == oldest


def test_what_the_workflow_runs_exists():
    for job in jobs().values():
        for command in commands(job):
            if command.startswith("make "):
                assert command.split()[1] in TARGETS
            elif command.startswith(".ci/"):
                assert (ROOT / command).stat().st_mode & 0o111


def test_windows_runs_the_lines_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    lines = [command.replace(".venv/Scripts", ".venv/bin") for command in commands(jobs()["windows"])]
    assert all(line in readme for line in lines[:-1])


def test_actions_are_named_by_commit():
    text = (ROOT / ".github/workflows/tests.yml").read_text()
    assert len(re.findall(r"uses: [\w/-]+@[0-9a-f]{40} # v", text)) == text.count("uses:")


def test_the_hooks_before_a_commit_do_what_make_check_does():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = " ".join(hook["entry"] for hook in local["hooks"])
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.M)
    chosen = re.search(r'-m ("not server and not slow" tests)', recipe)[1]
    assert chosen in entries
    assert all(f"ruff {what}" in entries and f"ruff {what}" in recipe for what in ("check", "format --check"))


def test_version_and_licence_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## ([\d.]+)", changes, flags=re.M)[1] == PROJECT["version"]
    assert all(f"{package.capitalize()} {version}" in changes for package, version in PINNED.items())


def test_the_targets_of_the_guide_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"`?make ([a-z-]+)", text)) <= TARGETS
    named = re.findall(r"`((?:tests|sessionlab|notebooks|data)/[\w/.]+\.\w+)`", text)
    assert named and all((ROOT / name).exists() for name in named)


def test_the_readme_is_two_screens_with_a_picture():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 100
    assert "](notebooks/images/" in readme
    missing = [path.name for path in (ROOT / "notebooks").glob("*.ipynb") if f"](notebooks/{path.name})" not in readme]
    assert not missing, "every notebook is linked"
