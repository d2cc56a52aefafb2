"""The desk that a reader finds on Binder: the first chapter left, its live app and the session monitor right.

    python -m sessionlab.course.workspace [--import]     print it, or give it to the JupyterLab of this environment

Frames need addresses with the base URL, which a hub tells only when it starts: so the desk is laid then, by
``binder/start``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sessionlab.course.catalogue import APPS, App

FIRST = "notebooks/00_start_here.ipynb"
BESIDE = ("hello", "monitor")


def workspace(base: str = "/", notebook: str = FIRST, name: str = "default") -> dict:
    """A workspace of JupyterLab, as ``jupyter lab workspaces import`` takes it.

    Parameters
    ----------
    base : base URL of the Jupyter server, with a slash at both ends.
    notebook : path of the notebook on the left, from the folder that Jupyter was started in.
    name : of the workspace; ``"default"`` is the one that opens by itself.
    """
    frames = {f"server-proxy:{frame['id']}": frame for frame in (_frame(base, APPS[app]) for app in BESIDE)}
    left = {"type": "tab-area", "currentIndex": 0, "widgets": [f"notebook:{notebook}"]}
    right = [{"type": "tab-area", "currentIndex": 0, "widgets": [key]} for key in frames]
    dock = {
        "type": "split-area",
        "orientation": "horizontal",
        "sizes": [0.55, 0.45],
        "children": [left, {"type": "split-area", "orientation": "vertical", "sizes": [0.35, 0.65], "children": right}],
    }
    return {
        "data": {
            "layout-restorer:data": {
                "main": {"dock": dock, "current": f"notebook:{notebook}"},
                "left": {"collapsed": True, "visible": True},
                "right": {"collapsed": True, "visible": True},
            },
            f"notebook:{notebook}": {"data": {"path": notebook, "factory": "Notebook"}},
            **{key: {"data": frame} for key, frame in frames.items()},
        },
        "metadata": {"id": name},
    }


def _frame(base: str, app: App) -> dict:
    """What jupyter-server-proxy needs to open the tile of ``app`` again."""
    address = f"{base}{app.proxy}/{app.name}"
    return {"url": address, "title": app.title, "newBrowserTab": False, "id": f"server-proxy:{app.proxy}"}


def main() -> None:
    base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/").rstrip("/") + "/"
    text = json.dumps(workspace(base), indent=2)
    if "--import" not in sys.argv[1:]:
        print(text)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workspace.json")
        path.write_text(text)
        subprocess.run([sys.executable, "-m", "jupyterlab.labapp", "workspaces", "import", path], check=True)


if __name__ == "__main__":
    main()
