"""A reader without a browser gets the recorded run, said plainly."""

from __future__ import annotations

import json

import nbformat
import pytest
from machine import browser_or_skip
from nbclient import NotebookClient

from sessionlab.course import recorded
from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.errors import NoBrowser

pytestmark = pytest.mark.server


@pytest.fixture
def no_chromium(monkeypatch):
    """No browser can be found, here and in the processes that this one starts."""
    monkeypatch.setenv("CHROME_PATH", "/nowhere/chromium")
    monkeypatch.setattr(recorded, "_shared", [])


async def test_without_a_browser_the_recording_is_shown(no_chromium, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    versions = {"panel": "1.0", "bokeh": "2.0"}
    (tmp_path / "x.json").write_text(json.dumps({"versions": versions, "text": "it blinked\n", "alt": "A page"}))
    (tmp_path / "x.png").write_bytes(b"PNG")

    @recorded.in_browser("x")
    async def never_run(browser):
        raise AssertionError("there is no browser")

    shown = await never_run()
    said = capsys.readouterr().out
    assert "recorded with panel 1.0, bokeh 2.0" in said and said.endswith("it blinked\n")
    assert shown.alt == "A page"


async def test_with_a_browser_the_cell_runs_and_can_be_recorded(tmp_path, monkeypatch, capsys):
    browser_or_skip()
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    monkeypatch.setattr(recorded, "_shared", [])
    monkeypatch.setenv("SESSIONLAB_RECORD", "1")

    @recorded.in_browser("y")
    async def look(browser):
        async with await browser.open("about:blank") as tab:
            print("looked at", tab.page.url)

    await look()
    await recorded._shared[0].close()
    assert capsys.readouterr().out == "looked at about:blank\n"
    assert json.loads((tmp_path / "y.json").read_text())["text"] == "looked at about:blank\n"


async def test_an_error_in_the_cell_is_not_hidden_by_the_recording(monkeypatch):
    monkeypatch.setattr(recorded, "_shared", [object()])

    @recorded.in_browser("z")
    async def fails(browser):
        raise NoBrowser("closed in the middle")

    with pytest.raises(NoBrowser, match="in the middle"):
        await fails()


@pytest.mark.slow("a whole chapter is run")
def test_chapter_02_runs_without_a_browser(no_chromium):
    notebook = nbformat.read(NOTEBOOKS / "02_reconnect.ipynb", as_version=4)
    stored = ["".join(o.get("text", "") for o in cell.get("outputs", [])) for cell in notebook.cells]
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    now = ["".join(o.get("text", "") for o in cell.get("outputs", [])) for cell in notebook.cells]
    replayed = [(text, before) for text, before in zip(now, stored, strict=True) if "This was recorded with" in text]
    assert len(replayed) >= 9
    for text, before in replayed:
        assert text.endswith(before), "the recording is what the stored cell printed"
