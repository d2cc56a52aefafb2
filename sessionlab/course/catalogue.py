"""The one list of the applications that the course serves.

The launcher tiles of JupyterLab, the notebooks and the tests all read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


@dataclass(frozen=True)
class App:
    """One application of the course.

    Attributes
    ----------
    name : how notebooks ask for it: ``show("reconnect")``.
    chapter : two digits, the chapter it belongs to.
    title : what the launcher tile says.
    flags : further arguments of ``panel serve``.
    """

    name: str
    chapter: str
    title: str
    flags: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return NOTEBOOKS / "apps" / f"{self.name}.py"

    @property
    def proxy(self) -> str:
        """The first part of its address under JupyterLab."""
        return f"course-{self.chapter}-{self.name.replace('_', '-')}"

    @property
    def icon(self) -> Path:
        return Path(__file__).parent / "icons" / f"{self.chapter}.svg"


APPS = {
    app.name: app
    for app in [
        App("hello", "00", "00 First live app"),
        App("monitor", "01", "01 Session monitor", ("--session-token-expiration", "2592000")),
        App("reconnect", "02", "02 Reconnect", ("--unused-session-lifetime", "120000")),
        App("jobs", "04", "04 Long jobs", ("--unused-session-lifetime", "2000", "--check-unused-sessions", "1000")),
        App("visitors_book", "05", "05 Visitors' book"),
        App("leaky", "06", "06 A dashboard that leaks"),
        App("casebook", "07", "07 Leak casebook"),
        App("production", "08", "08 Production", ("--plugins", "sessionlab.harden.metrics")),
        App("field_book", "09", "09 Field book"),
    ]
}
