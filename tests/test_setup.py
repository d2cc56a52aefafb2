"""The files that set the course up say the same thing everywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sessionlab.course.catalogue import APPS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> dict[str, str]:
    extras = PROJECT["optional-dependencies"]
    named = ("lab", "metrics", "persist", "course", "book", "test")
    lines = [*PROJECT["dependencies"], *(line for extra in named for line in extras[extra])]
    found = {r.name: str(r.specifier) for r in map(Requirement, lines)}
    found.pop("sessionlab")  # an extra that names another extra
    return found


def test_conda_names_the_same_packages_and_bounds():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    lines = [entry for entry in entries if isinstance(entry, str) and not re.match(r"(python=|pip$)", entry)]
    conda = {canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, [*lines, *pip])}
    assert conda == requirements()


def test_binder_reads_the_same_environment():
    assert (ROOT / "binder/environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


def test_binder_can_read_the_python_version():
    text = (ROOT / "environment.yml").read_text()
    assert re.search(r"python\s*=+\s*([\d.]*)", text)[1] == "3.12"


def test_the_lock_holds_every_requirement_with_hashes_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([\w.-]+)==", lock, flags=re.M))
    assert {name.lower() for name in requirements()} <= locked
    assert len(re.findall(r"^[\w.-]+==", lock, flags=re.M)) <= lock.count("--hash=sha256:")
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", lock)


@pytest.mark.parametrize("library", ["bokeh.server.server", "panel.io.server", "sessionlab.server"])
def test_libraries_are_compiled_before_the_first_of_many_servers_starts(library):
    """Where Python keeps nothing of what it compiles, `make env` has to: servers start in half the time then."""
    source = importlib.util.find_spec(library).origin
    assert Path(importlib.util.cache_from_source(source)).exists(), "run: python -m compileall -q .venv/lib sessionlab"


def test_every_app_of_the_catalogue_has_its_launcher_tile():
    entries = PROJECT["entry-points"]["jupyter_serverproxy_servers"]
    assert entries == {app.proxy: f"sessionlab.course.proxies:{app.name}" for app in APPS.values()}


def test_every_app_of_the_catalogue_has_its_file_and_icon():
    for app in APPS.values():
        assert app.path.is_file() and app.icon.is_file(), app.name


def test_the_penguins_are_the_published_ones():
    data = ROOT / "data" / "penguins.csv"
    readme = (ROOT / "data" / "README.md").read_text()
    assert hashlib.sha256(data.read_bytes()).hexdigest() in readme
    columns = re.findall(r"^\| `(\w+)` \|", readme, flags=re.M)
    assert list(pd.read_csv(data).columns) == columns
