"""No process and no port survives a notebook run, a killed kernel, or a JupyterLab that is stopped."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from machine import alive, browser_or_skip
from nbclient import NotebookClient

from sessionlab.course.jupyter import JupyterServer
from sessionlab.loopback import port_is_free

pytestmark = pytest.mark.server

PROMISE = 2.0  # seconds

STARTS_EVERYTHING = """
import psutil
from sessionlab import Outage, serve
from sessionlab.client.browser import Browser

server = serve({app!r})
outage = Outage(server)
browser = await Browser().start()
print("PIDS", *(process.pid for process in psutil.Process().children(recursive=True)))
print("PORTS", server.port, outage.port)
"""


def started(text: str) -> tuple[list[int], list[int]]:
    lines = {line.split()[0]: [int(word) for word in line.split()[1:]] for line in text.splitlines() if line}
    assert len(lines["PIDS"]) >= 4, "a guard, a server, a driver and a browser"
    assert not any(port_is_free(port) for port in lines["PORTS"])
    return lines["PIDS"], lines["PORTS"]


def all_gone(pids: list[int], ports: list[int]) -> None:
    deadline = time.monotonic() + PROMISE
    left = [psutil.Process(pid) for pid in pids if alive(pid)]
    _, left = psutil.wait_procs(left, timeout=PROMISE)
    left = [process.name() for process in left if alive(process.pid)]
    assert not left and time.monotonic() < deadline + 1
    assert all(port_is_free(port) for port in ports)


@pytest.fixture
def code(app):
    browser_or_skip()
    return STARTS_EVERYTHING.format(app=str(app()))


def run(client: BlockingKernelClient, code: str) -> str:
    said = []
    reply = client.execute_interactive(
        code,
        timeout=90,
        output_hook=lambda message: said.append(
            message["content"].get("text") or "".join(message["content"].get("traceback", []))
        ),
    )
    assert reply["content"]["status"] == "ok", "".join(filter(None, said))
    return "".join(filter(None, said))


def test_after_a_notebook_run(code):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=90, kernel_name="python3").execute()
    text = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    lines = [line for line in text.splitlines() if line.startswith(("PIDS", "PORTS"))]
    words = {line.split()[0]: [int(word) for word in line.split()[1:]] for line in lines}
    assert len(words["PIDS"]) >= 4
    all_gone(words["PIDS"], words["PORTS"])


def test_after_a_killed_kernel(code):
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        pids, ports = started(run(client, code))
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        all_gone(pids, ports)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow("JupyterLab starts and is killed, for each signal")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_stopped_jupyterlab(code, how):
    with JupyterServer() as jupyter:
        headers = {"Authorization": f"token {jupyter.token}"}
        tile = urllib.request.Request(f"{jupyter.url}course-00-hello/hello", headers=headers)
        with urllib.request.urlopen(tile, timeout=60) as page:
            assert page.status == 200
        new = urllib.request.Request(f"{jupyter.url}api/kernels", data=b"{}", headers=headers, method="POST")
        with urllib.request.urlopen(new, timeout=60) as answer:
            kernel = json.load(answer)["id"]
        (connection,) = Path(jupyter.home).rglob(f"kernel-{kernel}.json")
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels()
        try:
            client.kernel_info(reply=True, timeout=60)
            pids, ports = started(run(client, code))
            tiles = [p.pid for p in psutil.Process(jupyter.child.pid).children(recursive=True)]
            # Only JupyterLab itself is told; its guard waits for the end of this block.
            jupyter.child.kill(how)
            jupyter.child.wait(20)
            all_gone({*pids, *tiles}, ports)
        finally:
            client.stop_channels()
