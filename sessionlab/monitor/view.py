"""What a page of the monitor draws: frozen, so that any number of pages may draw it.

All times are seconds since 1970, on this machine's clock.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

SEGMENTS = 60  # of one bar
SAMPLES = 1800  # two a second, for a quarter of an hour
SILENT = 2.0  # seconds without an answer that are worth telling


@dataclass(frozen=True)
class Segment:
    """Part of a session's life in one state (new, connected or disconnected); ``end`` is inf while it lasts."""

    state: str
    begin: float
    end: float = math.inf


@dataclass(frozen=True)
class Bar:
    """The life of one session as far as it was seen; ``blocked`` are the times when its expiration was blocked.

    ``number`` is the bar's own: a session that was restarted has a new bar under the same ``id``.
    """

    number: int
    label: str
    id: str
    app: str
    pid: int
    segments: tuple[Segment, ...]
    blocked: tuple[Segment, ...] = ()

    @property
    def begin(self) -> float:
        return self.segments[0].begin

    @property
    def end(self) -> float:
        return self.segments[-1].end

    def enter(self, state: str, when: float) -> Bar:
        """This bar in another state from ``when`` on; itself if it is in that state already."""
        last = self.segments[-1]
        if state == last.state or last.end < math.inf:
            return self
        when = max(when, last.begin)
        segments = (*self.segments[:-1], dataclasses.replace(last, end=when), Segment(state, when))
        return dataclasses.replace(self, segments=segments[-SEGMENTS:])

    def block(self, blocks: int, when: float) -> Bar:
        """This bar with its expiration blocked or not from ``when`` on."""
        if bool(blocks) == bool(self.blocked and self.blocked[-1].end == math.inf):
            return self
        begun = (Segment("blocked", when),) if blocks else ()
        return dataclasses.replace(self, blocked=(*closed(self.blocked, when), *begun)[-SEGMENTS:])

    def ended(self, when: float) -> Bar:
        return dataclasses.replace(self, segments=closed(self.segments, when), blocked=closed(self.blocked, when))


@dataclass(frozen=True)
class Event:
    """A line of the list: ``kind`` is the event, or how a reconnect came out; ``count`` of them happened together."""

    time: float
    kind: str
    sessions: str
    detail: str
    count: int = 1


@dataclass(frozen=True)
class Mark:
    """Something worth a mark on the bar of that ``number``."""

    time: float
    kind: str
    number: int


@dataclass(frozen=True)
class Sample:
    """Counts at one moment; ``memory`` is resident memory in bytes. All are nan where the server was not seen."""

    time: float
    sessions: float = math.nan
    connected: float = math.nan
    memory: float = math.nan


@dataclass(frozen=True)
class View:
    """What a page draws.

    Attributes
    ----------
    seen : when the server last answered; 0 before the first time.
    trouble : why nothing can be seen now; empty while the server answers.
    sessions : the rows of `Probe.sessions` by label, as they were when last seen.
    taken : how many samples there were in all; ``samples`` are the newest.
    unseen : how many worker processes have not answered for a while.
    dropped : events that were lost because they came faster than they could be asked for.
    faults : what the agent in the server failed to note.
    """

    seen: float = 0.0
    trouble: str = ""
    sessions: Mapping[str, dict] = dataclasses.field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    events: tuple[Event, ...] = ()
    samples: tuple[Sample, ...] = ()
    taken: int = 0
    created: int = 0
    workers: int = 1
    unseen: int = 0
    dropped: int = 0
    faults: tuple[str, ...] = ()

    def silent(self, now: float) -> float:
        """For how many seconds the server has not answered; 0 if that is not worth telling."""
        silence = now - self.seen if self.seen else 0.0
        return silence if silence > SILENT or self.trouble else 0.0


def closed(segments: tuple[Segment, ...], when: float) -> tuple[Segment, ...]:
    """``segments`` with the last one ended at ``when``, if it lasts."""
    if not segments or segments[-1].end < math.inf:
        return segments
    return (*segments[:-1], dataclasses.replace(segments[-1], end=max(when, segments[-1].begin)))
