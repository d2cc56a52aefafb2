"""What an audit found, as frozen results that show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """One check of an audit.

    ``id`` such as ``reconnect.token``, ``status`` pass, warn, fail or skipped, a ``title``, what was ``measured``,
    ``why`` it matters, ``advice`` (empty when there is nothing to do) and the ``chapter`` that explains it.
    """

    id: str
    status: str
    title: str
    measured: str
    why: str
    advice: str
    chapter: str

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.id}: {self.status}. {self.measured}" + (f" What to do: {self.advice}" if self.advice else "")


@dataclass(frozen=True)
class AuditResult:
    """Every check of an audit, in the order of the catalogue.

    ``result["reconnect.token"]`` is one of them. ``seconds`` the whole took, ``versions`` are those of the server
    (empty when no server was needed), ``flags`` what was given to it, ``notes`` what else there is to say.
    """

    app: str
    checks: tuple[Check, ...]
    seconds: float
    versions: Mapping[str, str]
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.id == name:
                return check
        raise KeyError(name)

    def of(self, status: str) -> tuple[Check, ...]:
        """The checks with that status."""
        return tuple(check for check in self.checks if check.status == status)

    @property
    def green(self) -> bool:
        """Whether no check failed."""
        return not self.of("fail")

    @property
    def exit_code(self) -> int:
        return 0 if self.green else 1

    def to_dict(self) -> dict:
        """The JSON of ``sessionlab audit --json``."""
        return {
            "app": self.app,
            "checks": [check.to_dict() for check in self.checks],
            "seconds": round(self.seconds, 1),
            "flags": list(self.flags),
            "versions": dict(self.versions),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from sessionlab.checks import report

        return report.text(self)

    def _repr_html_(self) -> str:
        from sessionlab.checks import report

        return report.fragment(self)
