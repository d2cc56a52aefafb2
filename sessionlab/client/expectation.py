"""Something that a visitor waits for: a condition on a session, or values that attributes of a model should take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sessionlab.errors import VisitFailed


@dataclass(frozen=True)
class Expectation:
    """``what`` is a function of the session, or names a model whose ``attributes`` should have these values.

    A value may be a function that judges the present one.
    """

    what: object
    attributes: Mapping[str, object]

    def holds(self, session) -> bool:
        try:
            if callable(self.what):
                return bool(self.what(session))
            present = [(session.value(self.what, name), wanted) for name, wanted in self.attributes.items()]
        except VisitFailed:  # what it looks at is not on the page yet
            return False
        return all(wanted(value) if callable(wanted) else value == wanted for value, wanted in present)

    def evidence(self, session) -> str:
        """What there is instead, one line each."""
        lines = [f"console: {line}" for line in session.console]
        try:
            lines += [f"{name} is {session.value(self.what, name)!r}" for name in self.attributes]
        except VisitFailed as missing:
            lines.append(str(missing))
        return "\n".join(lines)

    def __str__(self) -> str:
        if callable(self.what):
            return getattr(self.what, "__qualname__", repr(self.what))
        wanted = ", ".join(f"{name}={getattr(v, '__qualname__', repr(v))}" for name, v in self.attributes.items())
        return f"{self.what} with {wanted}"
