"""Many visits at a rate, or so many at a time, and how long each part of them took.

    crowd = await visit_together(server, 200, rate=5)
    print(crowd)

A crowd with a ``rate`` arrives whether or not the server keeps up, as people do; one without a rate sends the
next visitor when one has left, which finds out how many visits a server can take.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from sessionlab.client.protocol import Session, visit
from sessionlab.client.shown import Shown
from sessionlab.errors import InvalidOption, SessionLabError
from sessionlab.probe.client import Probe

PERCENTILES = (50, 90, 99)
PARTS = {"page": "page", "created": "session created", "connect": "connect", "pull": "pull"}


@dataclass(frozen=True)
class Visitor(Shown):
    """One visit: when it began (seconds since the crowd's start), what took how long, and what went wrong.

    ``page``, ``connect`` and ``pull`` are seconds, None for what was not reached; ``error`` is empty or a sentence.
    """

    begin: float
    page: float | None = None
    connect: float | None = None
    pull: float | None = None
    error: str = ""

    def __str__(self) -> str:
        took = [f"{name} {getattr(self, name):.3f} s" for name in ("page", "connect", "pull") if getattr(self, name)]
        return f"at {self.begin:.2f} s: {self.error or ', '.join(took)}"


@dataclass(frozen=True)
class Crowd(Shown):
    """What a crowd measured.

    Attributes
    ----------
    visitors : a `Visitor` for each visit, in the order in which they began.
    seconds : from the first visit's begin to the last one's end.
    created : seconds that the server took to build each session, told by its probe; empty without one.
    own_cpu : CPU seconds of this process meanwhile.
    server_cpu : CPU seconds of the server's processes; None without a probe.
    """

    visitors: tuple[Visitor, ...]
    seconds: float
    created: tuple[float, ...]
    own_cpu: float
    server_cpu: float | None

    @property
    def failed(self) -> tuple[Visitor, ...]:
        return tuple(v for v in self.visitors if v.error)

    @property
    def rate(self) -> float:
        """Visits a second that were served."""
        return (len(self.visitors) - len(self.failed)) / self.seconds

    @property
    def share(self) -> float | None:
        """The CPU of this process as a share of the server's."""
        return self.own_cpu / self.server_cpu if self.server_cpu else None

    def percentiles(self) -> dict[str, dict[int, float]]:
        """For each part of a visit, seconds by percentile; 100 is the longest."""
        measured = {name: [t for v in self.visitors if (t := getattr(v, name, None)) is not None] for name in PARTS}
        measured["created"] = list(self.created)
        return {name: _percentiles(times) for name, times in measured.items() if times}

    def frame(self):
        """Every visit as a row of a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([v.to_dict() for v in self.visitors])

    def to_dict(self) -> dict:
        return {**super().to_dict(), "rate": self.rate, "share": self.share, "percentiles": self.percentiles()}

    def __str__(self) -> str:
        lines = [f"{len(self.visitors)} visits in {self.seconds:.1f} s, {self.rate:.1f} a second"]
        table = self.percentiles()
        if table:
            heads = [*(f"{p} %" for p in PERCENTILES), "longest"]
            lines.append(f"{'seconds':<16}" + "".join(f"{head:>9}" for head in heads))
            lines += [
                f"{PARTS[name]:<16}" + "".join(f"{value:>9.3f}" for value in values.values())
                for name, values in table.items()
            ]
        if self.share is not None:
            lines.append(f"CPU: server {self.server_cpu:.1f} s, visitors {self.own_cpu:.1f} s ({self.share:.1%})")
        for error, number in collections.Counter(v.error for v in self.failed).most_common(3):
            lines.append(f"{number} failed: {error}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return super()._repr_html_().replace("code>", "pre>")


async def visit_together(
    server_or_url,
    visitors: int = 100,
    *,
    together: int = 4,
    rate: float | None = None,
    stay: float = 0.0,
    during: Callable[[Session], Awaitable] | None = None,
    progress: bool = False,
    timeout: float = 30.0,  # noqa: ASYNC109 - for each answer of the server
) -> Crowd:
    """Send ``visitors`` to an application and measure.

    Parameters
    ----------
    server_or_url : a `Server`, whose probe then tells how long sessions took to build, or a page's address.
    visitors : how many visits.
    together : how many at a time, when there is no ``rate``.
    rate : visits that begin in a second, however many are there already.
    stay : seconds that each visitor stays after the document has come.
    during : what each visitor does before that: an async function of its `Session`.
    progress : show a progress bar.
    timeout : seconds that each answer of the server may take.

    A visit that fails is noted and the others go on. Raises InvalidOption; leaves no connection open.
    """
    if not (isinstance(visitors, int) and visitors > 0 and together > 0 and stay >= 0 and (rate is None or rate > 0)):
        raise InvalidOption(
            f"A crowd of {visitors!r} visitors, {together!r} together, rate={rate!r}, stay={stay!r} cannot be sent.",
            advice="visitors and together are whole numbers from 1 on, rate is above 0, stay is not negative.",
        )
    url = getattr(server_or_url, "url", server_or_url)
    watch = _Watch(getattr(server_or_url, "probe", None))
    await asyncio.to_thread(watch.begin)
    places = asyncio.Semaphore(together if rate is None else visitors)
    done: list[Visitor] = []
    start, own = time.perf_counter(), time.process_time()

    async def one() -> None:
        async with places:
            done.append(await _visit(url, time.perf_counter() - start, stay, during, timeout))
            bar.advance()

    with _Bar(visitors, progress) as bar:
        async with asyncio.TaskGroup() as group:
            for number in range(visitors):
                if rate is not None:
                    await asyncio.sleep(max(0.0, number / rate - (time.perf_counter() - start)))
                group.create_task(one())
    seconds, own = time.perf_counter() - start, time.process_time() - own
    await asyncio.to_thread(watch.end)
    return Crowd(tuple(sorted(done, key=lambda v: v.begin)), seconds, watch.created, own, watch.cpu)


async def _visit(url: str, begin: float, stay: float, during, timeout: float) -> Visitor:  # noqa: ASYNC109
    session, error = visit(url, timeout=timeout), ""
    try:
        async with session:
            if during is not None:
                await during(session)
            if stay:
                await asyncio.sleep(stay)
    except (SessionLabError, OSError) as failure:
        error = str(failure).partition("\n")[0]
    if hasattr(session, "timings"):
        return Visitor(begin, session.timings.page, session.timings.connect, session.timings.pull, error)
    return Visitor(begin, session.page.seconds if hasattr(session, "page") else None, error=error)


class _Watch:
    """What the server itself says about the time of a crowd; nothing without a probe that answers."""

    def __init__(self, probe: Probe | None):
        self._probe = probe
        self._since: int | None = None
        self.created: tuple[float, ...] = ()
        self.cpu: float | None = None

    def begin(self) -> None:
        if self._probe is not None:
            with contextlib.suppress(SessionLabError, psutil.Error):
                self._processes = [psutil.Process(pid) for pid in self._probe.hello()["workers"]]
                self._spent = sum(map(_cpu_seconds, self._processes))
                self._since = self._probe.timeline(since=1 << 60).next

    def end(self) -> None:
        if self._probe is not None and self._since is not None:
            with contextlib.suppress(SessionLabError, psutil.Error):
                events = self._probe.timeline(since=self._since).events
                self.created = tuple(e["seconds"] for e in events if e["event"] == "created")
                self.cpu = sum(map(_cpu_seconds, self._processes)) - self._spent


class _Bar:
    """A progress bar, or none."""

    def __init__(self, total: int, shown: bool):
        self._total, self._shown, self._progress = total, shown, None

    def __enter__(self):
        if self._shown:
            from rich import progress

            columns = ("{task.description}", progress.BarColumn(), progress.MofNCompleteColumn())
            self._progress = progress.Progress(*columns, progress.TimeRemainingColumn(), transient=True)
            self._progress.__enter__()
            self._task = self._progress.add_task("visits", total=self._total)
        return self

    def advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._task)

    def __exit__(self, *exc) -> None:
        if self._progress is not None:
            self._progress.__exit__(*exc)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _percentiles(times: list[float]) -> dict[int, float]:
    """By the nearest rank: a time that was measured, never one in between."""
    ordered = sorted(times)
    return {p: ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)] for p in (*PERCENTILES, 100)}
