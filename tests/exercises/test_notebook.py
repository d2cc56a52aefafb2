"""A check in a notebook: a line while it works, then the verdict and nothing else."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.server


def test_the_line_goes_and_the_verdict_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSIONLAB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")  # what a kernel of JupyterLab finds
    (tmp_path / "mine.py").write_text("1 / 0\n")
    cell = nbformat.v4.new_code_cell("from sessionlab.course import check\n\ncheck('02-blip', 'mine.py')")
    said = []
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=[cell]),
        kernel_name="python3",
        timeout=300,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    process = client.process_message

    def listen(message, *args):
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])
        return process(message, *args)

    client.process_message = listen
    (done,) = client.execute().cells
    assert said == ["02-blip: starting your app …\n"]
    (output,) = done.outputs
    assert output.output_type == "execute_result"
    assert "raises an error before its page is built" in output.data["text/plain"]
    assert "ZeroDivisionError" in output.data["text/html"]
