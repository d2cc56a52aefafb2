"""What a load test found, and how it shows itself: text, JSON, one picture."""

from __future__ import annotations

import base64
import html
import io
import statistics
from dataclasses import asdict, dataclass
from functools import cached_property

from sessionlab.capacity.advice import Advice, Wanted, advise
from sessionlab.client.shown import Shown
from sessionlab.sizes import show_size

LEAST = 1000.0  # bytes that a session is taken to cost, if the measurement sees none
GIGABYTE = 1e9


@dataclass(frozen=True)
class Step(Shown):
    """One look at the server.

    Attributes
    ----------
    sessions : that were open.
    memory : bytes that the process held, after its garbage was collected.
    build : median of the seconds that the sessions opened since the last step took to build; None for the first.
    slowest : the longest of them.
    roundtrip : median of the seconds that open pages waited for an answer.
    """

    sessions: int
    memory: int
    build: float | None
    slowest: float | None
    roundtrip: float | None


@dataclass(frozen=True)
class Load(Shown):
    """How a server bore its visitors.

    Attributes
    ----------
    app : what was served.
    steps : a `Step` for each look, the first of them with no session open.
    seconds : that all of it took.
    stopped : why fewer came than were asked for; empty if all came.
    wanted : what was asked for.
    """

    app: str
    steps: tuple[Step, ...]
    seconds: float
    stopped: str
    wanted: Wanted

    @cached_property
    def _line(self) -> tuple[float, float]:
        """Bytes of a session and of the empty process: a line through the steps, by least squares."""
        sessions, memory = [step.sessions for step in self.steps], [step.memory for step in self.steps]
        several = len(set(sessions)) > 1
        slope = max(LEAST, statistics.linear_regression(sessions, memory).slope if several else 0.0)
        return slope, max(0.0, statistics.fmean(memory) - slope * statistics.fmean(sessions))

    @property
    def per_session(self) -> float:
        """Bytes that one open session takes."""
        return self._line[0]

    @property
    def base(self) -> float:
        """Bytes that the process takes without any."""
        return self._line[1]

    @property
    def per_gigabyte(self) -> int:
        """Sessions that a gigabyte holds, besides the process itself."""
        return int(GIGABYTE / self.per_session)

    @property
    def build(self) -> float:
        """Seconds to build a session while all the others are open: the median of the last step."""
        return self.steps[-1].build or 0.0

    @cached_property
    def advice(self) -> Advice:
        return advise(self.base, self.per_session, self.build, self.wanted)

    def to_dict(self) -> dict:
        return {
            **asdict(self),
            "per_session": self.per_session,
            "base": self.base,
            "per_gigabyte": self.per_gigabyte,
            "build": self.build,
            "advice": {
                **self.advice.to_dict(),
                "flags": self.advice.plan.flags,
                "limits": self.advice.limits,
            },
        }

    def __str__(self) -> str:
        first, last, wanted, advice = self.steps[1], self.steps[-1], self.wanted, self.advice
        lines = [
            f"{self.app}: {last.sessions} sessions in one process, {self.seconds:.0f} s",
            f"  one session takes   {show_size(self.per_session)}; the process itself {show_size(self.base)}",
            f"  a gigabyte holds    {self.per_gigabyte} sessions",
            f"  a page is built in  {shown_ms(first.build)}; {shown_ms(last.build)} with {last.sessions} sessions open",
            f"  a process builds    {1 / self.build:.0f} pages a second; while it does, it answers nobody else",
            f"  an answer takes     {shown_ms(first.roundtrip)}; "
            f"{shown_ms(last.roundtrip)} with {last.sessions} sessions open",
        ]
        if self.stopped:
            lines.append(f"  it ended early:     {self.stopped}")
        lines += [
            "",
            f"For a container of {wanted.memory / 2**20:.0f} MiB, outages of {wanted.outage:g} s, "
            f"and pages that are open for {wanted.stay:g} s:",
        ]
        if not advice.live:
            return "\n".join([*lines, "  Not one session fits: give the container more memory."])
        lines += [f"  panel serve {self.app} {advice.plan.flags}", f"  {advice.limits}"]
        lines.append(f"  One process then bears {advice.rate:.2g} visits a second.")
        if wanted.rate is not None:
            number = f"{advice.processes} such process" + "es" * (advice.processes > 1)
            lines.append(f"  {wanted.rate:g} visits a second take {number}, one a container.")
        return "\n".join(lines)

    @property
    def alt(self) -> str:
        """The picture in words."""
        return (
            f"Two curves over up to {self.steps[-1].sessions} sessions. Memory rises by {show_size(self.per_session)} "
            f"a session from {show_size(self.base)}; a page takes {shown_ms(self.steps[1].build)} to build at first, "
            f"{shown_ms(self.build)} at last."
        )

    def picture(self):
        """Memory and build time against sessions, as a matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4.6), layout="constrained")
        memory, times = figure.subplots(2, 1, sharex=True)
        sessions = [step.sessions for step in self.steps]
        memory.plot(sessions, [step.memory / 1e6 for step in self.steps], "o", color="#0b5c8a", label="measured")
        ends = [0, sessions[-1]]
        line = [(self.base + self.per_session * end) / 1e6 for end in ends]
        memory.plot(ends, line, "--", color="#b42318", label=f"{show_size(self.per_session)} a session")
        memory.set_ylabel("memory (MB)")
        built = self.steps[1:]
        times.plot(
            sessions[1:], [1000 * s.build for s in built], "o-", color="#0b5c8a", label="to build a page, median"
        )
        times.plot(sessions[1:], [1000 * s.slowest for s in built], "^:", color="#57606a", label="the slowest page")
        times.plot(sessions[1:], [1000 * s.roundtrip for s in built], "s-", color="#1a7f37", label="to answer")
        times.set(xlabel="open sessions", ylabel="ms", yscale="log")
        for axes in (memory, times):
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(fontsize=8)
        figure.suptitle(f"{self.app}: a gigabyte holds {self.per_gigabyte} sessions", fontsize=11)
        return figure

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.picture().savefig(buffer, dpi=100, facecolor="white")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png()).decode()
        return (
            f"<pre>{html.escape(str(self))}</pre>"
            f"<img alt='{html.escape(self.alt)}' src='data:image/png;base64,{image}' style='max-width:100%'>"
        )


def shown_ms(seconds: float | None) -> str:
    """Seconds as a reader says them: ``31.2 ms``."""
    return "unknown" if seconds is None else f"{1000 * seconds:.3g} ms"
