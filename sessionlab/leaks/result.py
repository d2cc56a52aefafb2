"""What a hunt found, as frozen results that show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sessionlab.raised import Raised

EXIT = {"clean": 0, "bounded": 0, "leak": 1, "never-expires": 1, "undecided": 2}


@dataclass(frozen=True)
class Culprit:
    """Who holds what a session left behind.

    ``holder`` by name; ``grows_by`` items or objects a session; ``chain`` from the holder to what it keeps;
    ``location`` the application's line that put it there (may be empty); ``owner`` the library that the holder
    belongs to (``app`` for the application); ``advice`` may be empty; ``bytes`` a session, as far as Python sees;
    ``signature`` the same on every machine; ``report_to`` who can mend it, with its version.
    """

    holder: str
    grows_by: float
    chain: tuple[str, ...]
    location: str
    owner: str
    advice: str
    bytes: float = 0.0
    signature: str = ""
    report_to: str = ""

    def to_dict(self) -> dict:
        return {**asdict(self), "grows_by": round(self.grows_by, 3), "chain": list(self.chain)}


@dataclass(frozen=True)
class Live:
    """Whether sessions that stay open grow: with what their users do, or with time.

    ``verdict``: steady, grows, undecided, or skipped. ``events``: how many were sent in the windows; ``minutes``: how
    long their pages stood open, by the server's clock. ``per_event`` and ``per_minute``: bytes and objects that these
    added; 0 where nothing grows. ``culprits``: who holds it, with their growth per event or per minute.
    """

    verdict: str = "skipped"
    events: int = 0
    minutes: float = 0.0
    per_event: Mapping[str, float] = field(default_factory=lambda: {"bytes": 0.0, "objects": 0.0})
    per_minute: Mapping[str, float] = field(default_factory=lambda: {"bytes": 0.0, "objects": 0.0})
    culprits: tuple[Culprit, ...] = ()

    def to_dict(self) -> dict:
        return {
            "verdict": self.verdict,
            "events": self.events,
            "minutes": round(self.minutes, 2),
            "per_event": {name: round(value, 2) for name, value in self.per_event.items()},
            "per_minute": {name: round(value, 2) for name, value in self.per_minute.items()},
            "culprits": [culprit.to_dict() for culprit in self.culprits],
        }


@dataclass(frozen=True)
class Batch:
    """Some sessions of one window, and what each of them left on average: ``bytes`` of heap, ``objects``."""

    window: int
    sessions: int
    bytes: float | None
    objects: float


@dataclass(frozen=True)
class HuntResult:
    """The end of a hunt.

    Attributes
    ----------
    verdict : clean, bounded, leak, never-expires or undecided; ``exit_code`` goes with it.
    sessions : how many were opened and ended. ``seconds`` the whole took.
    per_session : what each session left: bytes, objects, documents, models, sessions, threads.
    floor : the smallest growth that this run could have seen: bytes, objects.
    culprits : who holds it, the worst first. For ``bounded`` the caches, with their bounds.
    notes : what else there is to say.
    batches : the measurements, for the picture.
    errors : what the application raised meanwhile and nobody caught; it does not end a hunt.
    pages : the paths of the pages that were visited.
    served : how the application was served, and why so.
    live : whether a session that stays open grows; ``skipped`` where that was not looked at.
    known : signatures of the leaks that a baseline knows: they do not fail.
    pace : what one visit costs: ``visit_seconds`` with what its visitor did, ``slowest`` answer in seconds, and how
        ``busy`` an open page keeps the event loop (1 is all the time).
    """

    app: str
    verdict: str
    sessions: int
    seconds: float
    per_session: Mapping[str, float]
    floor: Mapping[str, float]
    culprits: tuple[Culprit, ...]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = ()
    errors: tuple[Raised, ...] = ()
    pages: tuple[str, ...] = ()
    served: str = ""
    pace: Mapping[str, float] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    live: Live = Live()

    @property
    def fails(self) -> bool:
        """Whether sessions leave something behind that something has to be done about."""
        return EXIT[self.verdict] == 1

    @property
    def new(self) -> tuple[Culprit, ...]:
        """The culprits that the baseline does not know."""
        return tuple(culprit for culprit in self.culprits if culprit.signature not in self.known)

    @property
    def growing(self) -> tuple[Culprit, ...]:
        """What a session that stays open gains, as far as the baseline does not know it."""
        return tuple(culprit for culprit in self.live.culprits if culprit.signature not in self.known)

    @property
    def exit_code(self) -> int:
        if self.growing:
            return 1
        return 0 if self.fails and self.culprits and not self.new else EXIT[self.verdict]

    def write_baseline(self, file) -> None:
        """Write the leaks into ``file``: a hunt with this ``baseline`` takes them for known. Raises OSError."""
        from sessionlab.leaks import identity

        identity.write_baseline(self, file)

    def to_dict(self) -> dict:
        """The JSON of ``sessionlab hunt --json``."""
        return {
            "app": self.app,
            "verdict": self.verdict,
            "sessions": self.sessions,
            "seconds": round(self.seconds, 1),
            "per_session": {name: round(value, 2) for name, value in self.per_session.items()},
            "floor": {name: round(value, 3) for name, value in self.floor.items()},
            "culprits": [culprit.to_dict() for culprit in self.culprits],
            "errors": [raised.to_dict() for raised in self.errors],
            "served": self.served,
            "known": [each.signature for each in (*self.culprits, *self.live.culprits) if each.signature in self.known],
            "live": self.live.to_dict(),
            "pages": list(self.pages),
            "pace": dict(self.pace),
            "versions": dict(self.versions),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        holders = ", ".join(culprit.holder for culprit in self.culprits)
        return f"<HuntResult {self.app}: {self.verdict}{f', {holders}' if holders else ''}>"

    def __str__(self) -> str:
        from sessionlab import report

        return report.text(self)

    def _repr_html_(self) -> str:
        from sessionlab import report

        return report.fragment(self)

    def plot(self):
        """The picture of the hunt: what each session left, batch by batch, against the floor."""
        from sessionlab import report

        return report.picture(self)
