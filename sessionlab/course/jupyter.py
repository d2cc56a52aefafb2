"""Where the notebook runs: under a Jupyter server, and if so under which base URL."""

from __future__ import annotations

import os


def base_url() -> str | None:
    """The base URL of the Jupyter server that started this kernel, with a slash at its end.

    None outside Jupyter: in a test, in a script, in an editor that runs kernels of its own.
    """
    if prefix := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):  # a hub, Binder
        return prefix.rstrip("/") + "/"
    from jupyter_server.serverapp import list_running_servers

    parent = os.environ.get("JPY_PARENT_PID")
    return next((s["base_url"] for s in list_running_servers() if str(s["pid"]) == parent), None)
