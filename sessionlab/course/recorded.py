"""Cells that need a program which a reader's machine may lack: they run where it is, and show a recording where not.

    @in_browser("02-three-settings")
    async def three_settings(browser):
        ...
        print(what, happened)
        return await tab.screenshot(alt="…")

    await three_settings()

With a Chromium the function runs; `behind_nginx` is the same for an nginx. Without it the reader gets what the function
printed when the chapter was last recorded, out of ``data/recordings/``. ``make notebooks`` records: it sets
SESSIONLAB_RECORD.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Awaitable, Callable

from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import ROOT
from sessionlab.course.picture import Picture
from sessionlab.course.versions import versions
from sessionlab.errors import NoBrowser
from sessionlab.nginx import find_nginx

FOLDER = ROOT / "data" / "recordings"
_shared: list[Browser] = []  # one Chromium serves the cells of a chapter; it ends with the kernel


def in_browser(name: str):
    """Decorate an async function that takes a `Browser`, prints, and returns a screenshot or nothing.

    Parameters
    ----------
    name : of the recording, ``data/recordings/NAME.json`` (and ``.png``); unique in the course.
    """

    def decorate(function):
        @functools.wraps(function)
        async def run():
            try:
                browser = await _browser()
            except NoBrowser as missing:
                return _replay(name, missing.what)
            return await _run(name, functools.partial(function, browser))

        return run

    return decorate


def behind_nginx(name: str):
    """Decorate an async function that runs an nginx, prints, and returns a `Picture` or nothing; else `in_browser`.

    What such cells print are counts, the same wherever they ran: nothing is said above a recording.
    """

    def decorate(function):
        @functools.wraps(function)
        async def run():
            return await _run(name, function) if find_nginx() else _replay(name)

        return run

    return decorate


def say_whether_there_is_an_nginx() -> None:
    """One sentence for the top of a chapter."""
    if find_nginx():
        print("There is an nginx on this machine: it runs in the cells below.")
    else:
        print("There is no nginx on this machine (apt-get install nginx). Its cells show what was recorded elsewhere.")


async def _browser() -> Browser:
    if not _shared:
        _shared.append(await Browser().start())
    return _shared[0]


async def _run(name: str, function: Callable[[], Awaitable]):
    """What the function returns; what it prints is shown in one piece, and recorded if that is asked for."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            picture = await function()
    finally:
        print(said.getvalue(), end="")
    if os.environ.get("SESSIONLAB_RECORD"):
        _record(name, said.getvalue(), picture)
    return picture


def _record(name: str, text: str, picture) -> None:
    recording = {"versions": versions(), "text": text}
    if picture is not None:
        recording["alt"] = picture.alt
        (FOLDER / f"{name}.png").write_bytes(picture.png)
    (FOLDER / f"{name}.json").write_text(json.dumps(recording, indent=2) + "\n")


def _replay(name: str, missing: str = "") -> Picture | None:
    recording = json.loads((FOLDER / f"{name}.json").read_text())
    if missing:
        measured = ", ".join(f"{package} {version}" for package, version in recording["versions"].items())
        print(f"{missing} This was recorded with {measured}:")
    print(recording["text"], end="")
    if "alt" in recording:
        return Picture((FOLDER / f"{name}.png").read_bytes(), recording["alt"])
    return None
