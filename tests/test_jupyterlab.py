"""Chapter 02 as a reader sees it: JupyterLab in a real browser, the app beside the text, a wire that is cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from machine import browser_or_skip

from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import ROOT
from sessionlab.course.jupyter import JupyterServer

pytestmark = pytest.mark.server

ARTEFACTS = ROOT / "artefacts"
VALUE = "[...Bokeh.documents[0].all_models].find(model => model.title == 'Body mass at least (g)').value"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    browser_or_skip()
    copy = tmp_path_factory.mktemp("course")  # JupyterLab saves what it opens
    for folder in ("notebooks", "data"):
        shutil.copytree(ROOT / folder, copy / folder)
    with JupyterServer(copy / "notebooks") as server:
        yield server


async def run_cells(page, number: int) -> None:
    """Run so many cells from the top, as a reader does: a click into the first, then Shift and Enter."""
    # A cell that is run before the kernel is there is not run at all.
    kernel = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
    await page.wait_for_function(
        f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'", timeout=60_000
    )
    await page.locator(".jp-Notebook h1").first.click()
    await page.keyboard.press("Escape")
    for _ in range(number):
        await page.keyboard.press("Shift+Enter")


async def app_frame(page):
    """The frame of the embedded app, once its slider is drawn."""
    await page.locator("iframe[title=reconnect]").wait_for(timeout=60_000)
    frame = await (await page.locator("iframe[title=reconnect]").element_handle()).content_frame()
    await frame.locator(".noUi-handle").first.wait_for(timeout=60_000)
    return frame


@pytest.mark.slow("JupyterLab in a browser")
async def test_the_reader_cuts_the_wire_and_the_app_comes_back(jupyter):
    async with Browser() as browser:
        address = f"{jupyter.url}lab/tree/02_reconnect.ipynb?token={jupyter.token}"
        tab = await browser.open(address, width=1280, height=1000, timeout=60)
        page = tab.page
        await run_cells(page, 5)
        frame = await app_frame(page)
        assert "/user/demo/proxy/" in frame.url

        handle = frame.locator(".noUi-handle").first
        for _ in range(3):
            await handle.press("ArrowRight")
        await frame.get_by_text("140 of 333 penguins").wait_for(timeout=10_000)  # the server has answered
        assert await frame.evaluate(VALUE) == 4300

        toast = frame.locator(".notyf__toast")
        await page.get_by_role("button", name="Refuse 10 s").click()
        await toast.get_by_text("Server connection lost").first.wait_for(timeout=10_000)
        animations = "document.querySelector('.notyf__toast').getAnimations({subtree: true})"
        drawn = f"{animations}.every(animation => animation.playState === 'finished')"
        await frame.wait_for_function(drawn, timeout=5000)
        ARTEFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTEFACTS / "chapter-02-in-jupyterlab.png")

        await page.get_by_role("button", name="Restore").click()
        await toast.get_by_text("re-established").first.wait_for(timeout=20_000)
        assert await frame.evaluate(VALUE) == 4300
        assert await frame.evaluate("Bokeh.documents[0].roots().length") > 0


@pytest.mark.slow("JupyterLab in a browser")
async def test_notebook_7_shows_the_app_too(jupyter):
    async with Browser() as browser:
        address = f"{jupyter.url}notebooks/02_reconnect.ipynb?token={jupyter.token}"
        tab = await browser.open(address, width=1280, height=1000, timeout=60)
        await run_cells(tab.page, 4)
        frame = await app_frame(tab.page)
        assert await frame.evaluate(VALUE) == 4000


async def test_the_launcher_tile_starts_the_app(jupyter):
    async with Browser() as browser:
        tab = await browser.open(f"{jupyter.url}course-00-hello/hello?token={jupyter.token}", timeout=60)
        await tab.slide("Body mass at least (g)", 2)
        assert await tab.value("Body mass at least (g)") == 4200


def test_the_screenshot_of_the_readme_is_there():
    picture = ROOT / "notebooks/images/chapter-02-in-jupyterlab.png"
    assert 10_000 < picture.stat().st_size < 200_000
    assert f"]({picture.relative_to(ROOT).as_posix()})" in Path(ROOT, "README.md").read_text()
