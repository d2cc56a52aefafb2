"""The course can be given a home: one command, and no link leads elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from sessionlab import address
from sessionlab.course.catalogue import ROOT
from sessionlab.course.set_address import FILES, HINT, set_address
from sessionlab.errors import InvalidOption

OLD = address.HOME.removeprefix("https://github.com/")


@pytest.fixture
def copy(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_file_that_holds_the_address_is_rewritten():
    """A file that is forgotten here would send readers to a place that is not there."""
    files = {path for path in ROOT.iterdir() if path.is_file()}
    for folder in ("sessionlab", "book", "binder", "data", "deploy", "upstream", "notebooks", ".github"):
        files |= {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    texts = {".md", ".toml", ".cff", ".py", ".ipynb", ".yml", ".yaml", ".css", ".html", ".js", ""}
    holding = {str(f.relative_to(ROOT)) for f in files if f.suffix in texts and OLD in f.read_text("utf-8", "replace")}
    assert holding == set(FILES)


def test_no_link_is_left(copy):
    assert sorted(set_address("https://github.com/me/my.course.git", copy)) == sorted(FILES)
    texts = {name: (copy / name).read_text("utf-8") for name in FILES}
    assert not [name for name, text in texts.items() if OLD in text or HINT in text]
    assert "mybinder.org/v2/gh/me/my.course/HEAD" in texts["README.md"] and "\ncd my.course\n" in texts["README.md"]
    assert 'HOME = "https://github.com/me/my.course"\n' in texts["sessionlab/address.py"]


def test_until_it_is_set_the_readme_says_that_the_address_is_an_example():
    assert (HINT in (ROOT / "README.md").read_text("utf-8")) == (OLD == "panel-session-course/panel-session-course")


@pytest.mark.parametrize("url", ["", "github.com/me/x", "https://gitlab.com/me/x", "https://github.com/me", "me/x"])
def test_what_is_no_repository_changes_nothing(copy, url):
    with pytest.raises(InvalidOption, match="no repository"):
        set_address(url, copy)
    assert all((copy / name).read_bytes() == (ROOT / name).read_bytes() for name in FILES)


@pytest.mark.server
def test_the_command_says_what_is_wrong():
    run = subprocess.run([sys.executable, "-m", "sessionlab.course.set_address"], capture_output=True, text=True)
    assert run.returncode == 2 and "https://github.com/OWNER/NAME" in run.stderr and not run.stdout
