"""What the probe answers, as frozen results that show themselves. Runs in the lab."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from dataclasses import dataclass, field

MB = 1e6


class Result:
    """Shows a frozen dataclass: ``rows()`` gives what is worth showing, as (name, value) pairs."""

    def rows(self) -> list[tuple[str, object]]:
        return list(self.to_dict().items())

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)  # type: ignore[call-overload]  # every result is a dataclass

    def __str__(self) -> str:
        rows = [(str(name), str(value)) for name, value in self.rows()]
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(str(n))}</th><td>{html.escape(str(v))}</td></tr>"
            for n, v in self.rows()
        )
        return f"<table>{cells}</table>"


@dataclass(frozen=True)
class Session(Result):
    """One session that a server knows.

    ``state`` is new (a page was served, no websocket came yet), connected or disconnected. ``age`` and
    ``unused`` (time since the last connection left, or since it was built) are seconds. ``blocks`` counts the
    application's own blocks of its expiration, ``blocked_count`` also those of Bokeh's document lock.
    """

    id: str
    session: int | None
    app: str
    state: str
    connections: int
    age: float | None
    unused: float | None
    blocks: int
    blocked_count: int
    expiring: bool
    roots: int
    models: int
    callbacks: int


@dataclass(frozen=True)
class Census(Result):
    """How many of what live in the served process. Bytes are bytes, times are seconds.

    ``unreachable`` is how many objects the garbage collector found before counting; None when it was not asked
    to (``settle=False``), and then garbage is counted too. ``created`` and ``destroyed`` count sessions since
    the server started or was ``reset``: divide by them, not by the visits that were asked for.
    ``session_objects`` are sessions in memory, in the server's books or not. ``elements`` are HoloViews
    objects, ``app_objects`` instances of classes that the application defined. ``objects`` are all that the
    collector knows, ``blocks`` all pieces of memory that Python has given out. ``heap`` (glibc only, with some
    kilobytes that its threads keep of what they have freed), ``rss``, ``uss``, ``files``: None where unknown.
    ``tasks`` are without those in which Tornado serves its connections.
    The probe's own tables are left out. With ``--num-procs``, numbers
    are sums over ``pids``, and ``unseen`` are the workers that did not answer.
    """

    sessions: int
    connected: int
    disconnected: int
    blocked: int
    pending: int
    created: int
    destroyed: int
    documents: int
    models: int
    parameterized: int
    session_objects: int
    elements: int
    dataframes: int
    app_modules: int
    app_objects: Mapping[str, int]
    objects: int
    blocks: int
    threads: int
    tasks: int
    timers: int
    periodic: int
    heap: int | None
    rss: int
    uss: int | None
    files: int | None
    children: int
    unreachable: int | None
    monotonic: float
    seconds: float
    pids: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()
    types: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def settled(self) -> bool:
        return self.unreachable is not None

    @property
    def bokeh_counters(self) -> dict[str, int]:
        """What ``--mem-log-frequency`` prints as "uncollected": taken without settling, live objects included."""
        return {
            "Documents": self.documents,
            "Sessions": self.session_objects,
            "Models": self.models,
            "modules": self.app_modules,
            "DataFrames": self.dataframes,
        }

    def minus(self, earlier: Census) -> dict[str, int]:
        """Growth since ``earlier``, per count; those that did not change are left out."""
        left_out = {"monotonic", "seconds", "pids", "unseen", "types", "app_objects", "unreachable"}
        growth = {}
        for f in dataclasses.fields(self):
            now, then = getattr(self, f.name), getattr(earlier, f.name)
            if f.name not in left_out and now is not None and then is not None and now != then:
                growth[f.name] = now - then
        for name in {*self.app_objects, *earlier.app_objects}:
            if change := self.app_objects.get(name, 0) - earlier.app_objects.get(name, 0):
                growth[name] = change
        return growth

    def rows(self) -> list[tuple[str, object]]:
        states = f"{self.connected} connected, {self.disconnected} not, {self.blocked} blocked"
        collected = f"{self.unreachable} objects collected first" if self.settled else "garbage included"
        rows = [
            ("sessions", f"{self.sessions} ({states})"),
            ("documents", self.documents),
            ("models", self.models),
            ("parameterized", self.parameterized),
            ("app's own objects", sum(self.app_objects.values())),
            ("objects", f"{self.objects} ({collected})"),
            ("threads, tasks, timers", f"{self.threads}, {self.tasks}, {self.timers}"),
            ("periodic callbacks", self.periodic),
            ("heap in use", _megabytes(self.heap)),
            ("resident memory", _megabytes(self.rss)),
        ]
        if self.unseen:
            rows.append(("not seen", f"{len(self.unseen)} of {len(self.pids) + len(self.unseen)} workers"))
        return rows


@dataclass(frozen=True)
class Container(Result):
    """A container that is longer than at the mark; see `sessionlab.agent.containers.Containers.grown`."""

    key: int
    kind: str
    length: int
    grew: int
    weak: int
    limit: int | None
    item: str
    owner: str


@dataclass(frozen=True)
class Discarded(Result):
    """How many sessions were discarded, and which of those meant were kept: blocked, or connected again."""

    discarded: int
    kept: tuple[Session, ...]

    def rows(self):
        return [("discarded", self.discarded), ("kept", len(self.kept))]


@dataclass(frozen=True)
class Collected(Result):
    """What a collection found unreachable (objects), how long it took (seconds), and the memory after (bytes)."""

    unreachable: int
    seconds: float
    rss: int


def merged(counts: list[dict]) -> dict:
    """The censuses of several workers as one: counts are added, by name where they are a mapping."""
    total = dict(counts[0])
    for other in counts[1:]:
        for name, value in other.items():
            mine = total.get(name)
            if isinstance(value, dict) and isinstance(mine, dict):
                total[name] = {k: mine.get(k, 0) + value.get(k, 0) for k in {*mine, *value}}
            elif isinstance(value, int | float) and isinstance(mine, int | float):
                total[name] = max(mine, value) if name in ("monotonic", "seconds") else mine + value
    return total


def _megabytes(number: int | None) -> str:
    return "unknown here" if number is None else f"{number / MB:.1f} MB"
