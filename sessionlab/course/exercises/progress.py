"""How far the reader has come: one small file that outlives kernels and servers."""

from __future__ import annotations

import contextlib
import html
import json
import os
from pathlib import Path

from sessionlab.course.catalogue import ROOT
from sessionlab.course.exercises.exercise import exercises

FILE = ROOT / ".sessionlab" / "progress.json"


class Progress:
    """What is in the file: per exercise whether it was ``solved``, after how many ``tries``, with how many ``hints``.

    Parameters
    ----------
    path : of the file; by default what SESSIONLAB_PROGRESS names, else ``.sessionlab/progress.json`` of the course.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self.path = Path(path or os.environ.get("SESSIONLAB_PROGRESS") or FILE)

    def read(self) -> dict[str, dict]:
        """What is known, by exercise; nothing when the file is missing or cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            noted = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(noted, dict):
                return {name: entry for name, entry in noted.items() if isinstance(entry, dict)}
        return {}

    def solved(self, name: str) -> bool:
        return bool(self.read().get(name, {}).get("solved"))

    def hints(self, name: str) -> int:
        return int(self.read().get(name, {}).get("hints", 0))

    def note(self, name: str, passed: bool) -> None:
        """A check has ended. What was solved once stays solved."""
        entry = self.read().get(name, {})
        if not entry.get("solved"):
            self._write(name, {**entry, "tries": entry.get("tries", 0) + 1, "solved": passed})

    def note_hint(self, name: str, number: int) -> None:
        entry = self.read().get(name, {})
        self._write(name, {**entry, "hints": max(number, entry.get("hints", 0))})

    def _write(self, name: str, entry: dict) -> None:
        noted = {**self.read(), name: entry}
        with contextlib.suppress(OSError):  # a folder that cannot be written must not fail a check
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            scratch.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            scratch.replace(self.path)  # a reader of the file sees the old one or the new one

    def __str__(self) -> str:
        rows = self._rows()
        done = sum(solved for _, _, solved in rows)
        lines = [f"{'✔' if solved else '·'} {name:<12} {title}" for name, title, solved in rows]
        return "\n".join([f"{done} of {len(rows)} exercises solved", *lines])

    __repr__ = __str__

    def _rows(self) -> list[tuple[str, str, bool]]:
        noted = self.read()
        return [(e.name, e.title, bool(noted.get(e.name, {}).get("solved"))) for e in exercises().values()]

    def _repr_html_(self) -> str:
        rows = self._rows()
        cells = "".join(
            f"<tr><td>{'✔' if solved else '·'}</td><td style='text-align:left'><code>{name}</code></td>"
            f"<td style='text-align:left'>{html.escape(title)}</td></tr>"
            for name, title, solved in rows
        )
        return f"<b>{sum(s for _, _, s in rows)} of {len(rows)} exercises solved</b><table>{cells}</table>"


def progress() -> Progress:
    """Which exercises are solved, as a table."""
    return Progress()
