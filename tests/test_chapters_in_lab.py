"""Every chapter as a reader sees it: JupyterLab under a base URL, in a real browser, all cells run.

The chapters run a few at a time in one JupyterLab, because most of what they do is waiting; each test waits for
its own. Screenshots are kept in ``artefacts/chapters/``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sysconfig
import threading
import urllib.request
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from machine import browser_or_skip

from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import APPS, NOTEBOOKS, ROOT
from sessionlab.course.jupyter import JupyterServer
from sessionlab.course.workspace import BESIDE, FIRST, workspace

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow("JupyterLab in a browser runs every chapter; `make test` compares them by nbval"),
]

ARTEFACTS = ROOT / "artefacts" / "chapters"
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
AT_ONCE = 3
EXPECTED = "raises-exception"  # a tag
PATIENCE = 600  # seconds for a chapter, on a machine that is busy

# Cells that run are attached at once, also those below the fold: so that each frame is loaded while its server runs.
SETTINGS = {"tracker": {"windowingMode": "none"}}
NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"
READY = f"""() => {{
  const kernel = {NOTEBOOK}?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel.status === 'idle' && {NOTEBOOK}.content.widgets.length > 3;
}}"""
RUN = f"""async () => {{
  const commands = window.jupyterapp.commands;
  await commands.execute('notebook:clear-all-cell-outputs');
  await commands.execute('notebook:run-all-cells');
  return {NOTEBOOK}.content.widgets.map(cell => cell.model).filter(model => model.type === 'code')
    .map(model => ({{ran: model.executionCount !== null, tags: model.getMetadata('tags') ?? [],
                    errors: model.outputs.toJSON().filter(output => output.output_type === 'error')}}));
}}"""
# Bokeh has drawn something: each of its views has a shadow root of its own.
DRAWN = "() => [...document.querySelectorAll('*')].some(element => element.shadowRoot?.childElementCount)"


@dataclass(frozen=True)
class Seen:
    """What one chapter looked like: cells that did not run, errors, apps that were embedded and drawn."""

    silent: list[int]
    errors: list[str]
    frames: list[str]
    blank: list[str]


def embedded(path: Path) -> int:
    """How many cells of a chapter embed an app."""
    cells = nbformat.read(path, as_version=4).cells
    return sum(cell.source.rstrip().splitlines()[-1].startswith("show(") for cell in cells if cell.cell_type == "code")


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    copy = tmp_path_factory.mktemp("course")  # JupyterLab saves what it opens
    for folder in ("notebooks", "data", "deploy", "upstream"):
        shutil.copytree(ROOT / folder, copy / folder)
    with JupyterServer(copy) as server:
        settings = Path(server.home, "JUPYTERLAB_SETTINGS_DIR", "@jupyterlab", "notebook-extension")
        settings.mkdir(parents=True)
        for name, values in SETTINGS.items():
            (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
        yield server


async def look_at(browser, jupyter, name: str, front: str) -> Seen:
    """Open a chapter in ``front`` (``lab`` or ``notebook``), run all of it, and look at its frames."""
    places = {"lab": f"lab/workspaces/{name}/tree/notebooks", "notebook": "notebooks/notebooks"}
    address = f"{jupyter.url}{places[front]}/{name}.ipynb?token={jupyter.token}"
    tab = await browser.open(address, width=1280, height=1000, timeout=PATIENCE)
    async with tab, asyncio.timeout(PATIENCE):
        page = tab.page
        await page.wait_for_function(READY, timeout=PATIENCE * 1000)
        cells = await page.evaluate(RUN)
        frames, blank = [], []
        for element in await page.locator(".jp-OutputArea iframe").all():
            title = await element.get_attribute("title")
            frames.append(title)
            frame = await (await element.element_handle()).content_frame()
            try:
                await frame.wait_for_function(DRAWN, timeout=60_000)
            except Exception as error:
                blank.append(f"{title}: {error}")
        if frames:
            await page.locator(".jp-OutputArea iframe").first.scroll_into_view_if_needed()
        await page.screenshot(path=ARTEFACTS / f"{name}-{front}.png")
    return Seen(
        silent=[number for number, cell in enumerate(cells) if not cell["ran"]],
        errors=[
            f"{e['ename']}: {e['evalue']}" for c in cells if "raises-exception" not in c["tags"] for e in c["errors"]
        ],
        frames=frames,
        blank=blank,
    )


@pytest.fixture(scope="module")
def seen(jupyter, request):
    """A future of what is seen of each chapter that this run asks for."""
    browser_or_skip()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    wanted = [item.callspec.params["chapter"] for item in request.session.items if item.fspath == request.fspath
              and hasattr(item, "callspec") and "chapter" in item.callspec.params]  # fmt: skip
    futures = {chapter: Future() for chapter in wanted}

    async def everything():
        few = asyncio.Semaphore(AT_ONCE)

        async def one(browser, chapter):
            async with few:
                try:
                    futures[chapter].set_result(await look_at(browser, jupyter, *chapter))
                except BaseException as error:
                    futures[chapter].set_exception(error)

        async with Browser() as browser:
            await asyncio.gather(*(one(browser, chapter) for chapter in wanted))

    def work():
        try:
            asyncio.run(everything())
        except BaseException as error:  # no browser, for instance: everybody who waits hears of it
            for future in futures.values():
                if not future.done():
                    future.set_exception(error)

    worker = threading.Thread(target=work, name="chapters")
    worker.start()
    yield futures
    worker.join()


IN_LAB = [(path.stem, "lab") for path in CHAPTERS]
IN_NOTEBOOK = [(path.stem, "notebook") for path in CHAPTERS[:2]]  # Notebook 7 is the same, around the same kernel


@pytest.mark.parametrize("chapter", [*IN_LAB, *IN_NOTEBOOK], ids="-".join)
def test_all_cells_run_and_every_app_is_drawn(seen, chapter):
    found = seen[chapter].result(timeout=PATIENCE * len(seen))
    assert not found.errors
    assert not found.silent, "cells that did not run"
    assert not found.blank, "frames in which no app was drawn"
    assert len(found.frames) == embedded(NOTEBOOKS / f"{chapter[0]}.ipynb")
    assert (ARTEFACTS / f"{'-'.join(chapter)}.png").stat().st_size > 10_000


# -- the desk -----------------------------------------------------------------------------------------------------


def get(jupyter, path):
    with urllib.request.urlopen(f"{jupyter.url}{path}?token={jupyter.token}", timeout=90) as answer:
        return answer.read()


def put(jupyter, path, content):
    address = f"{jupyter.url}{path}?token={jupyter.token}"
    urllib.request.urlopen(
        urllib.request.Request(address, json.dumps(content).encode(), method="PUT"), timeout=60
    ).close()


def test_every_app_has_its_entry_point(jupyter):
    entries = json.loads(get(jupyter, "server-proxy/servers-info"))["server_processes"]
    paths = {entry["name"]: entry["launcher_entry"]["path_info"] for entry in entries}
    assert {app.proxy: f"{app.proxy}/{app.name}" for app in APPS.values()}.items() <= paths.items()


@pytest.mark.skipif(os.name == "nt", reason="Binder runs on Linux")
def test_start_lays_the_desk_and_hands_over(jupyter):
    environment = {
        **os.environ,
        "PATH": sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"],
        "JUPYTERLAB_WORKSPACES_DIR": str(Path(jupyter.home, "JUPYTERLAB_WORKSPACES_DIR")),
        "JUPYTERHUB_SERVICE_PREFIX": "/user/demo/",
    }
    done = subprocess.run(
        [ROOT / "binder/start", "echo", "started", "with two words"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "started with two words\n", done.stderr
    laid = json.loads(get(jupyter, "lab/api/workspaces/default"))
    assert laid["data"] == workspace("/user/demo/")["data"]
    assert (ROOT / FIRST).is_file()


async def test_the_desk_in_a_browser(jupyter):
    """The notebook left, the live app and the session monitor right."""
    browser_or_skip()
    desk = workspace("/user/demo/", name="desk")
    await asyncio.to_thread(put, jupyter, "lab/api/workspaces/desk", desk)
    async with Browser() as browser:
        address = f"{jupyter.url}lab/workspaces/desk?token={jupyter.token}"
        tab = await browser.open(address, width=1400, height=900, timeout=90)
        notebook = tab.page.locator(".jp-NotebookPanel")
        await notebook.get_by_role("heading", name="00 · Start here").wait_for(timeout=90_000)
        frames = [tab.page.locator(f"iframe[src$='{APPS[name].name}']:not([title])") for name in BESIDE]
        drawn = [".noUi-handle", ".tile b"]
        for frame, what in zip(frames, drawn, strict=True):
            await frame.content_frame.locator(what).first.wait_for(timeout=120_000)
        left = await notebook.bounding_box()
        places = [await frame.bounding_box() for frame in frames]
        (ROOT / "artefacts").mkdir(exist_ok=True)
        await tab.page.screenshot(path=ROOT / "artefacts/desk.png")
    assert all(place["x"] >= left["x"] + left["width"] for place in places)
    assert places[1]["y"] >= places[0]["y"] + places[0]["height"]
