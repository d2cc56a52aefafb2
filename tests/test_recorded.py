"""A reader without a browser gets the recorded run of a whole chapter, said plainly."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from sessionlab.course.catalogue import NOTEBOOKS

pytestmark = pytest.mark.server


def shown(notebook) -> list[str]:
    """What each cell shows as text."""
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    return ["".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in each) for each in outputs]


@pytest.mark.slow("a whole chapter is run")
def test_chapter_02_runs_without_a_browser(monkeypatch):
    monkeypatch.setenv("CHROME_PATH", "/nowhere/chromium")  # for the processes that this one starts, too
    notebook = nbformat.read(NOTEBOOKS / "02_reconnect.ipynb", as_version=4)
    stored = shown(notebook)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    replayed = [(now, before) for now, before in zip(shown(notebook), stored, strict=True) if "was recorded" in now]
    assert len(replayed) >= 9
    for text, before in replayed:
        assert text.partition("\n")[2] == before, "the recording is what the stored cell showed"
