"""Binder without Binder: what it would build, what it would start, and what a reader would find there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from sessionlab.course.catalogue import NOTEBOOKS, ROOT

BINDER = ROOT / "binder"
REPO2DOCKER = "jupyter-repo2docker==2026.4.0"  # in an environment of its own: it is no part of the course
CULLED = 10  # minutes without work after which Binder ends a kernel
WORDS = 80  # that a reader who thinks along reads in a minute
PACKAGES = [line for line in (BINDER / "apt.txt").read_text().splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def dockerfile():
    """What repo2docker would build of this folder; it needs no Docker to say so."""
    render = [sys.executable, "-m", "uv", "tool", "run", "--from", REPO2DOCKER, "jupyter-repo2docker"]
    there = subprocess.run([*render, "--version"], capture_output=True, text=True, timeout=120)
    if there.returncode:
        pytest.skip(f"{REPO2DOCKER} cannot be installed here: {there.stderr.strip()[-200:]}")
    done = subprocess.run(
        [*render, "--no-build", "--debug", "."], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.server
def test_what_repo2docker_would_build(dockerfile):
    assert "Building conda environment for python=3.12" in dockerfile
    assert re.search(r"FROM \S*buildpack-deps:24\.04", dockerfile), "apt.txt has the names of Ubuntu 24.04"
    assert f"apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}" in dockerfile
    assert re.search(r'env update .* --file "binder/environment.yml"', dockerfile)
    assert "RUN ./binder/postBuild" in dockerfile and "binder/start" in dockerfile


def test_no_local_package_stands_in_the_environment():
    """It would be built anew for every change of the text."""
    assert not re.search(r"^\s*- +(-e|\.|/)", (BINDER / "environment.yml").read_text(), flags=re.M)


def test_only_one_folder_is_for_binder():
    assert not (ROOT / ".binder").exists()
    assert {path.name for path in BINDER.iterdir()} == {"environment.yml", "apt.txt", "postBuild", "start"}


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run(name):
    script = BINDER / name
    assert os.name == "nt" or script.stat().st_mode & 0o111 == 0o111
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash" and "set -euo pipefail" in lines
    assert b"\r" not in script.read_bytes()
    if name == "start":
        assert lines[-1] == 'exec "$@"'


def test_the_packages_are_those_that_chromium_needs_on_ubuntu():
    """Playwright knows their names by system."""
    import playwright

    known = (Path(playwright.__file__).parent / "driver/package/lib/coreBundle.js").read_text(errors="replace")
    here = known[known.index('"ubuntu24.04-x64": {') :]
    lists = dict(re.findall(r"(tools|chromium): \[(.*?)\]", here[: here.index("firefox:")], flags=re.S))
    names = {kind: set(re.findall(r'"([\w.+-]+)"', text)) for kind, text in lists.items()}
    assert names["chromium"] <= set(PACKAGES) <= names["chromium"] | names["tools"]


@pytest.mark.server
@pytest.mark.skipif(not shutil.which("apt-cache"), reason="needs Debian or Ubuntu")
def test_the_packages_exist():
    """Debian has some of them without the t64 that Ubuntu 24.04 appends."""
    lists = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split()
    if "libx11-6" not in lists or len(lists) < 10_000:
        pytest.skip("the lists of packages are not there: apt-get update")
    assert [name for name in PACKAGES if not {name, name.removesuffix("t64")} & set(lists)] == []


# -- the reader --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.stem)
def test_nobody_reads_so_long_that_the_kernel_is_ended(path):
    stretches = [0]
    for cell in nbformat.read(path, as_version=4).cells[1:]:
        if cell.cell_type == "code":
            stretches.append(0)
        else:
            stretches[-1] += len(cell.source.split())
    assert max(stretches[:-1]) / WORDS < CULLED, "after the last cell nothing is lost"
