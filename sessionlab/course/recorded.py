"""Cells that drive a browser, for readers with one and for readers without.

    @in_browser("02-three-settings")
    async def three_settings(browser):
        ...
        print(what, happened)
        return await tab.screenshot(alt="…")

    await three_settings()

With a Chromium the function runs. Without one the reader gets what it printed when the chapter was last recorded, out
of ``data/recordings/``, and is told so. ``make notebooks`` records: it sets SESSIONLAB_RECORD.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os

from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import ROOT
from sessionlab.course.picture import Picture
from sessionlab.course.versions import versions
from sessionlab.errors import NoBrowser

FOLDER = ROOT / "data" / "recordings"
_shared: list[Browser] = []  # one Chromium serves the cells of a chapter; it ends with the kernel


async def _browser() -> Browser:
    if not _shared:
        _shared.append(await Browser().start())
    return _shared[0]


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
                return _replay(name, missing)
            said = io.StringIO()
            try:
                with contextlib.redirect_stdout(said):
                    shot = await function(browser)
            finally:
                print(said.getvalue(), end="")
            if os.environ.get("SESSIONLAB_RECORD"):
                _record(name, said.getvalue(), shot)
            return shot

        return run

    return decorate


def _record(name: str, text: str, shot) -> None:
    recording = {"versions": versions(), "text": text}
    if shot is not None:
        recording["alt"] = shot.alt
        (FOLDER / f"{name}.png").write_bytes(shot.png)
    (FOLDER / f"{name}.json").write_text(json.dumps(recording, indent=2) + "\n")


def _replay(name: str, missing: NoBrowser) -> Picture | None:
    recording = json.loads((FOLDER / f"{name}.json").read_text())
    measured = ", ".join(f"{package} {version}" for package, version in recording["versions"].items())
    print(f"{missing.what} This was recorded with {measured}:")
    print(recording["text"], end="")
    if "alt" in recording:
        return Picture((FOLDER / f"{name}.png").read_bytes(), recording["alt"])
    return None
