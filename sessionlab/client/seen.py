"""What a `Tab` has seen: websockets, notifications, lines of the console. ``at`` is in seconds, see `Tab`."""

from __future__ import annotations

from dataclasses import dataclass

from sessionlab.client.shown import Shown


@dataclass(frozen=True)
class Attempt(Shown):
    """A websocket that the page asked for.

    ``at`` is when; ``opened``, ``answered`` (first frame) and ``closed`` are None until it happens, or if it never
    does. ``code`` is the close code: 1006 for a connection that was refused or broke, 1005 for one closed without.
    """

    url: str
    at: float
    opened: float | None = None
    answered: float | None = None
    closed: float | None = None
    code: int | None = None

    @property
    def pending(self) -> bool:
        """Neither answered nor closed yet."""
        return self.answered is None and self.closed is None

    def __str__(self) -> str:
        parts = [f"attempt at {self.at:.2f} s"]
        parts += [f"{what} at {when:.2f} s" for what, when in self._happened() if when is not None]
        return ", ".join(parts) + (f" with code {self.code}" if self.code else "")

    def _happened(self):
        return ("opened", self.opened), ("answered", self.answered), ("closed", self.closed)


@dataclass(frozen=True)
class Toast(Shown):
    """A notification: ``what`` is "shown", "changed" (to ``text``) or "gone"; ``number`` tells toasts apart."""

    at: float
    what: str
    text: str
    number: int

    def __str__(self) -> str:
        return f"{self.at:.2f} s {self.what}: {self.text}"


@dataclass(frozen=True)
class Message(Shown):
    """A line of the page's console, or an uncaught error: ``level`` is "log", "info", "warning" or "error"."""

    at: float
    level: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:.2f} s {self.level}: {self.text}"
