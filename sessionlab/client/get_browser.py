"""Make sure that there is a Chromium to drive, and that it draws a page: ``python -m sessionlab.client.get_browser``.

One line says which. When there is none: as root on a system with apt, the distribution's own package; else
Playwright's download, into the folder of the user. The exit code is 1, with the reason, when none could be had.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sessionlab.client.browser import SHELL, Browser, find_chromium
from sessionlab.errors import NoBrowser, SessionLabError, WrongBrowserPath

COLOUR = (102, 51, 153)
PAGE = f"data:text/html,<body style='background: rgb{COLOUR}'>"


def main() -> int:
    try:
        path = _found_or_installed()
        version = asyncio.run(_draws_a_page(path))
    except SessionLabError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Chromium {version}: {path}")
    return 0


def _found_or_installed() -> Path:
    try:
        return find_chromium()
    except WrongBrowserPath:  # no other takes the place of the one that was asked for
        raise
    except NoBrowser:
        return _install()


def _install() -> Path:
    if (package := _package_of_apt()) and _run("apt-get", "install", "-y", package):
        try:
            return find_chromium()
        except NoBrowser:
            print("The package is installed and holds no Chromium that can be driven; asking Playwright.")
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    try:
        return find_chromium()
    except NoBrowser as error:
        raise NoBrowser(
            "There is no Chromium on this machine, and none could be installed.",
            why=f"{error.why}\nWhat was tried is above.".strip(),
            advice="install Chromium, Chrome or Edge yourself, or let CHROME_PATH name one.",
        ) from None


def _package_of_apt() -> str | None:
    """What apt can install here; on Ubuntu its package of a Chromium is an empty one that asks for a snap."""
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") and _run("apt-get", "update")):
        return None
    for package in (SHELL, "chromium"):
        shown = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True)
        if shown.returncode == 0 and f"Package: {package}\n" in shown.stdout and "snap" not in shown.stdout.lower():
            return package
    return None


def _run(*command: str) -> bool:
    print("$", " ".join(command), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=environment).returncode == 0
    except OSError as error:
        print(error)
        return False


async def _draws_a_page(path: Path) -> str:
    """The version of the browser, which has started and drawn a page in the colour that the page asks for."""
    from PIL import Image

    async with Browser(path) as browser:
        tab = await browser.open(PAGE, width=200, height=100)
        picture = Image.open(io.BytesIO((await tab.screenshot()).png)).convert("RGB")
        if picture.size != (200, 100) or picture.getpixel((100, 50)) != COLOUR:
            raise NoBrowser(f"{path} started and did not draw a page.", advice="let CHROME_PATH name another browser.")
        return browser.version


if __name__ == "__main__":
    sys.exit(main())
