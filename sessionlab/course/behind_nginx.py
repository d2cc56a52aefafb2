"""Cells that run an nginx, for readers with one and for readers without.

    @behind_nginx("08-affinity")
    async def affinity():
        ...
        print(what, happened)
        return picture(figure, alt)

    await affinity()

Without an nginx the reader gets what the cell printed when the chapter was last recorded, out of ``data/recordings/``.
The text is the same in both cases, for what is printed are counts. ``make notebooks`` records.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os

from sessionlab.course.picture import Picture
from sessionlab.course.recorded import FOLDER
from sessionlab.course.versions import versions
from sessionlab.nginx import find_nginx


def say_whether_there_is_one() -> None:
    """One sentence for the top of a chapter."""
    if find_nginx():
        print("There is an nginx on this machine: it runs in the cells below.")
    else:
        print("There is no nginx on this machine (apt-get install nginx). Its cells show what was recorded elsewhere.")


def behind_nginx(name: str):
    """Decorate an async function that prints, and returns a `Picture` or nothing.

    Parameters
    ----------
    name : of the recording, ``data/recordings/NAME.json`` (and ``.png``); unique in the course.
    """

    def decorate(function):
        @functools.wraps(function)
        async def run():
            if not find_nginx():
                return _replay(name)
            said = io.StringIO()
            try:
                with contextlib.redirect_stdout(said):
                    picture = await function()
            finally:
                print(said.getvalue(), end="")
            if os.environ.get("SESSIONLAB_RECORD"):
                _record(name, said.getvalue(), picture)
            return picture

        return run

    return decorate


def _record(name: str, text: str, picture: Picture | None) -> None:
    recording = {"versions": versions(), "text": text}
    if picture is not None:
        recording["alt"] = picture.alt
        (FOLDER / f"{name}.png").write_bytes(picture.png)
    (FOLDER / f"{name}.json").write_text(json.dumps(recording, indent=2) + "\n")


def _replay(name: str) -> Picture | None:
    recording = json.loads((FOLDER / f"{name}.json").read_text())
    print(recording["text"], end="")
    return Picture((FOLDER / f"{name}.png").read_bytes(), recording["alt"]) if "alt" in recording else None
