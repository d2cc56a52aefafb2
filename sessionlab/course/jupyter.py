"""Jupyter itself: the one that this notebook runs under, and one of the lab's own to look at from outside."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from sessionlab.child import Child
from sessionlab.errors import ServerNotReady
from sessionlab.loopback import HOST, free_port

# Where Jupyter keeps what it knows of its user; here, a folder of the server's own.
FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
)


def base_url() -> str | None:
    """The base URL of the Jupyter server that started this kernel, with a slash at its end.

    None outside Jupyter: in a test, in a script, in an editor that runs kernels of its own.
    """
    if prefix := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):  # a hub, Binder
        return prefix.rstrip("/") + "/"
    from jupyter_server.serverapp import list_running_servers

    parent = os.environ.get("JPY_PARENT_PID")
    return next((s["base_url"] for s in list_running_servers() if str(s["pid"]) == parent), None)


class JupyterServer:
    """A JupyterLab without a window, on a free loopback port, with settings of its own; a context manager.

    Attributes
    ----------
    url : its address with the base URL, a slash at the end.
    token : what it asks every visitor for.
    home : the folder with its settings and its running files.
    child : the `sessionlab.child.Child` that runs it.
    """

    def __init__(self, root: Path | str = ".", base: str = "/user/demo/", ready_timeout: float = 60.0):
        self._folder = tempfile.TemporaryDirectory()
        self.home = self._folder.name
        self.port, self.token = free_port(), secrets.token_urlsafe(16)
        self.url = f"http://{HOST}:{self.port}{base}"
        # Nobody is there to answer whether news are wanted.
        settings = Path(self.home, "JUPYTERLAB_SETTINGS_DIR", "@jupyterlab", "apputils-extension")
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
        environment = {name: str(Path(self.home, name)) for name in FOLDERS}
        environment["JUPYTER_TOKEN"] = self.token
        options = {
            "ServerApp.ip": HOST,
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.base_url": base,
            "ServerApp.root_dir": Path(root).resolve(),
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,  # in a container root is all there is; it listens on loopback only
            "LabApp.expose_app_in_browser": True,  # whoever drives it can ask it whether the kernel is there
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
        self.child = Child(command, environment)
        try:
            self._wait_until_ready(time.monotonic() + ready_timeout)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, deadline: float) -> None:
        self.child.log.wait_for(r"is running at", timeout=deadline - time.monotonic())
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}api?token={self.token}", timeout=10) as answer:
                    answer.read()
                return
            except OSError as error:  # it says that it runs a moment before it answers
                if time.monotonic() > deadline or not self.child.alive:
                    raise ServerNotReady("JupyterLab does not answer.", why=self.child.log.tail()) from error

    @property
    def headers(self) -> dict[str, str]:
        """What a visitor sends who may come in."""
        return {"Authorization": f"token {self.token}"}

    def proxied(self, url: str) -> str:
        """The address of a page of this machine through jupyter-server-proxy."""
        parts = urlsplit(url)
        return f"{self.url}proxy/{parts.port}{parts.path}"

    def stop(self) -> None:
        self.child.stop()
        self._folder.cleanup()

    def __enter__(self) -> JupyterServer:
        return self

    def __exit__(self, *exc) -> None:
        self.stop()
