"""Cells that need a program which a reader's machine may lack: they run where it is, and show a recording where not.

An experiment in a browser keeps under its ``name`` what it showed, in ``data/recordings/``; so does a cell that is

    @behind_nginx("08-silence")
    async def silence():
        print(what, happened)

With a Chromium, or an nginx, it runs. Without, the reader gets what was shown when the chapter was last recorded.
``make notebooks`` records: it sets SESSIONLAB_RECORD.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from sessionlab.course.catalogue import ROOT
from sessionlab.course.picture import Picture
from sessionlab.course.versions import versions
from sessionlab.errors import NoBrowser
from sessionlab.experiments import Experiment, Table, Users
from sessionlab.nginx import find_nginx

FOLDER = ROOT / "data" / "recordings"


class Recordings:
    """What experiments showed, in ``folder``: one JSON file for each, and the picture, if there was one, beside it."""

    def __init__(self, folder: Path = FOLDER):
        self.folder = folder

    def replay(self, name: str, error: NoBrowser) -> Replayed:
        """Say that it is a recording, and give what was recorded; raises ``error`` if there is none."""
        file = self.folder / f"{name}.json"
        if not name or not file.exists():
            raise error
        recording = json.loads(file.read_text())
        print(f"{error.what} {_measured(recording)}")
        return Replayed(recording, file.with_suffix(".png"))

    def record(self, name: str, users: Users) -> None:
        """Keep what the users saw, if that is asked for."""
        if not os.environ.get("SESSIONLAB_RECORD"):
            return
        pictures = [{"alt": shot.alt} for shot in users.screenshots[:1]]
        _write(self.folder / f"{name}.json", {**users.table().to_dict(), **(pictures[0] if pictures else {})})
        for shot in users.screenshots[:1]:
            shot.save(self.folder / f"{name}.png")


class Replayed:
    """Stands in for `Users` where there is no browser: nobody does anything, and what was recorded is shown."""

    def __init__(self, recording: dict, picture: Path):
        self._recording, self._picture = recording, picture

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[None]]:
        if not hasattr(Users, verb):
            raise AttributeError(verb)
        return self._nothing

    async def _nothing(self, *_, **__) -> None: ...

    def __getitem__(self, name: str) -> Replayed:
        return self

    def table(self) -> Table:
        return Table(tuple(self._recording["heads"]), tuple(map(tuple, self._recording["rows"])))

    async def screenshot(self, alt: str) -> Picture:
        return Picture(self._picture.read_bytes(), alt)


def install() -> None:
    """Let experiments that find no browser show what was recorded."""
    Experiment.recorder = Recordings()


def behind_nginx(name: str):
    """Decorate an async function that runs an nginx, prints, and returns a `Picture` or nothing.

    ``name`` is that of the recording, ``data/recordings/NAME.json`` (and ``.png``), unique in the course. What such
    cells print are counts, the same wherever they ran: nothing is said above a recording.
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


async def _run(name: str, function: Callable[[], Awaitable]):
    """What the function returns; what it prints is shown in one piece, and recorded if that is asked for."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            picture = await function()
    finally:
        print(said.getvalue(), end="")
    if os.environ.get("SESSIONLAB_RECORD"):
        _write(FOLDER / f"{name}.json", {"text": said.getvalue(), **({"alt": picture.alt} if picture else {})})
        if picture is not None:
            (FOLDER / f"{name}.png").write_bytes(picture.png)
    return picture


def _replay(name: str) -> Picture | None:
    recording = json.loads((FOLDER / f"{name}.json").read_text())
    print(recording["text"], end="")
    return Picture((FOLDER / f"{name}.png").read_bytes(), recording["alt"]) if "alt" in recording else None


def _write(file: Path, shown: dict) -> None:
    file.write_text(json.dumps({"versions": versions(), **shown}, indent=2) + "\n")


def _measured(recording: dict) -> str:
    said = ", ".join(f"{package} {version}" for package, version in recording["versions"].items())
    return f"This was recorded with {said}:"
