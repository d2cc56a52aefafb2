"""The launcher tiles: one entry for jupyter-server-proxy per application of the catalogue.

``pyproject.toml`` names ``sessionlab.course.proxies:NAME`` for each; a test keeps both in step.
"""

from __future__ import annotations

import functools
import sys

from sessionlab.course.catalogue import APPS, App


def entry(app: App) -> dict:
    """What jupyter-server-proxy needs to run ``app`` on demand.

    Panel writes relative addresses into its pages, and jupyter-server-proxy forwards the Host header: so neither
    a prefix nor an allowed origin is needed, under any base URL. The app must not end by itself: a server that
    exits cleanly is never started again.
    """
    # The launcher ties the server to Jupyter: it ends with it, even when Jupyter is killed.
    panel = [sys.executable, "-P", "-m", "sessionlab.agent.launch", "panel"]
    return {
        "command": [*panel, "serve", str(app.path), "--address", "127.0.0.1", "--port", "{port}", *app.flags],
        "timeout": 60,  # the default of 5 s is too short for a cold start
        "new_browser_tab": False,
        "launcher_entry": {
            "enabled": app.path.exists(),  # false where only the wheel is installed
            "title": app.title,
            "icon_path": str(app.icon),
            "path_info": f"{app.proxy}/{app.name}",
            "category": "Notebook",  # icons stay blank in a category of one's own
        },
    }


def __getattr__(name: str):
    if name not in APPS:
        raise AttributeError(f"the catalogue has no application {name!r}")
    return functools.partial(entry, APPS[name])
