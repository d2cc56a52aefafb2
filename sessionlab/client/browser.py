"""A visit with a real browser: Chromium, driven by Playwright.

    async with open_tab(server.url) as tab:
        await tab.click("Count one")
        print(tab.sockets, tab.toasts)

Works where an event loop runs already, as in a notebook. Many tabs share one Chromium through `Browser`. When the
Python process ends, however that happens, the browser ends with it: both hang on a pipe that then closes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sessionlab.client.tab import RECORDER, Tab
from sessionlab.errors import NoBrowser, VisitFailed, WrongBrowserPath

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import Playwright

# The headless shell is the same engine without windows. It opens a page with a third of the processor time.
SHELL = "chromium-headless-shell"
ON_PATH = (
    SHELL,
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
MAC_APPS = ("Chromium", "Google Chrome", "Microsoft Edge")
# Playwright turns most background traffic off. What is left, updates and accounts, is sent to a port where nobody is.
NOBODY = "http://127.0.0.1:9"
FLAGS = ["--disable-quic", f"--component-updater=url-source={NOBODY}", f"--gaia-url={NOBODY}"]
GET_ONE = "run `python -m sessionlab.client.get_browser`, or set CHROME_PATH to a Chromium, Chrome or Edge."


# -- find -----------------------------------------------------------------------------------------------------


def find_chromium(own: Path | None = None) -> Path:
    """The browser to drive: ``CHROME_PATH``, else Playwright's own, else one on PATH or among the applications.

    ``own`` is where Playwright keeps its Chromium, for a caller that knows; asking Playwright takes most of a second.

    Raises
    ------
    WrongBrowserPath when ``CHROME_PATH`` cannot be used; NoBrowser when there is none.
    """
    if named := os.environ.get("CHROME_PATH"):
        if why := _unusable(Path(named)):
            raise WrongBrowserPath(
                f"CHROME_PATH is {named!r}, which cannot be used.",
                why=why,
                advice="let CHROME_PATH name the program of a Chromium, Chrome or Edge, or unset it.",
            )
        return Path(named)
    passed_over = []
    for path in _installed(own):
        if not (why := _unusable(path)):
            return path
        passed_over.append(why)
    raise NoBrowser("There is no Chromium on this machine.", why="\n".join(passed_over), advice=GET_ONE)


def _installed(own: Path | None) -> Iterator[Path]:
    if own := own or _playwrights_own():
        yield from (path for path in (*_shells_of(own), own) if path.exists())
    yield from (Path(found) for name in ON_PATH if (found := shutil.which(name)))
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            apps = (folder / f"{name}.app/Contents/MacOS/{name}" for name in MAC_APPS)
            yield from (app for app in apps if app.exists())


def _shells_of(own: Path) -> Iterator[Path]:
    """The headless shell that Playwright downloads together with its Chromium, into a folder beside it."""
    for folder in own.parents:
        if folder.name.startswith("chromium-"):
            beside = folder.with_name(folder.name.replace("chromium-", "chromium_headless_shell-", 1))
            yield from (path for path in beside.glob("*/*headless*shell*") if path.suffix in ("", ".exe"))


def _playwrights_own() -> Path | None:
    """Where Playwright would look for the Chromium that it installs itself."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None

    def ask() -> Path:
        with sync_playwright() as playwright:
            return Path(playwright.chromium.executable_path)

    with ThreadPoolExecutor(1) as thread:  # Playwright refuses this where an event loop runs, as in a notebook
        return thread.submit(ask).result()


def _unusable(path: Path) -> str:
    """Why ``path`` cannot be driven; empty if nothing speaks against it."""
    if not path.is_file():
        return f"There is no file {path}."
    if not os.access(path, os.X_OK):
        return f"{path} is not executable."
    target = path.resolve()
    with target.open("rb") as file:
        start = file.read(4096)
    if "snap" in target.parts or target.name == "snap" or (start.startswith(b"#!") and b"/snap/" in start):
        return f"{path} is a snap, which keeps a program from driving it."
    return ""


# -- drive ----------------------------------------------------------------------------------------------------


class Browser:
    """A Chromium without a window. An async context manager; or `start` and `close`, for use across cells.

    ``path`` names the program; by default `find_chromium` chooses when it starts.

    Raises
    ------
    NoBrowser when there is none, or it cannot be started.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self.path = None if path is None else Path(path)
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None

    async def start(self) -> Browser:
        try:
            from playwright.async_api import Error, async_playwright
        except ImportError:
            raise NoBrowser("Playwright is not installed.", advice='run `pip install "sessionlab[lab]"`.') from None
        self._playwright = playwright = await async_playwright().start()
        try:
            chromium = playwright.chromium
            self.path = self.path or find_chromium(Path(chromium.executable_path))
            self._chromium = await chromium.launch(
                executable_path=self.path,
                chromium_sandbox=not _root(),  # as root Chromium does not start with its sandbox
                args=FLAGS,
                handle_sigint=False,  # interrupting a cell must not close the browser
            )
        except Error as error:
            await self.close()
            raise _not_started(self.path, error.message) from None
        except BaseException:
            await self.close()
            raise
        return self

    async def open(
        self,
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        clock: bool = False,
        timeout: float = 30.0,  # noqa: ASYNC109 - Playwright measures it
    ) -> Tab:
        """Open ``url`` in a tab that shares nothing with the others, and wait until it is drawn.

        ``width`` and ``height`` are pixels, ``dark`` is what the system prefers, ``clock`` puts the page's clock
        under the control of `Tab.fast_forward`, ``timeout`` is in seconds.
        """
        if self._chromium is None:
            raise VisitFailed("The browser is not running.", advice="use `async with Browser() as browser`.")
        context = await self._chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        try:
            page = await context.new_page()
            tab = Tab(page, clock)
            await page.expose_binding("sessionlab_record", tab.record)
            await page.add_init_script(path=RECORDER)
            if clock:
                await page.clock.install()
            await tab.load(url, timeout)
        except BaseException:
            await context.close()
            raise
        return tab

    @property
    def version(self) -> str:
        return self._chromium.version if self._chromium is not None else ""

    async def close(self) -> None:
        """End the browser and its driver. May be called twice."""
        chromium, self._chromium = self._chromium, None
        playwright, self._playwright = self._playwright, None
        try:
            if chromium is not None:
                await chromium.close()
        finally:
            if playwright is not None:
                await playwright.stop()

    async def __aenter__(self) -> Browser:
        return await self.start()

    async def __aexit__(self, *exc) -> None:
        await self.close()


@contextlib.asynccontextmanager
async def open_tab(url: str, **options) -> AsyncIterator[Tab]:
    """A `Tab` with a Chromium of its own; the options are those of `Browser.open`."""
    async with Browser() as browser:
        yield await browser.open(url, **options)


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _not_started(path: Path | None, message: str) -> NoBrowser:
    said = [
        line for line in message.partition("Call log:")[0].splitlines() if line.strip() and "<launching>" not in line
    ]
    advice = "start it by hand to see what it lacks, or let CHROME_PATH name another."
    if "No usable sandbox" in message:
        advice = "Chromium's sandbox needs user namespaces: allow them, or run as root in a container of your own."
    elif "shared librar" in message or "missing dependencies" in message:
        advice = "`python -m playwright install-deps chromium`, as root, adds the libraries that it lacks."
    return NoBrowser(f"{path} could not be started.", why="\n".join(said[:12]), advice=advice)
