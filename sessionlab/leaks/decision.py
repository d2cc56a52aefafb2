"""The decision: is it a leak? Pure functions over what was counted in windows of sessions.

A *window* is a number of sessions, opened, used, closed and discarded, after which the garbage was collected.
What grew in one window may be a cache that fills; what grows at the same pace in two windows of unlike size is
judged a leak, unless it has a bound. What grows too seldom to tell gets another, larger window.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

ENOUGH = 8  # gains that have to be seen before something that seldom grows is judged
LEAST_RATE = 0.02  # gains a session; less is not told from none
FADING = 0.6  # a pace below this part of the earlier one is a pace that ends
BYTES_FLOOR = 1024.0  # bytes a session; Panel itself keeps 200 to 450
TINY = 64.0  # bytes a session that a library's own list of names may gain
FRAMEWORKS = ("python", "bokeh", "panel", "param", "tornado", "holoviews", "pyviz_comms")
BUSY = ("event loop", "threading._active")  # where much comes and goes


@dataclass(frozen=True)
class Trend:
    """How something grew over windows.

    ``kind``: ``none``; ``steady``, at one pace to the end; ``stopped``, grew and then did not; ``fading``, slower
    and slower; ``late``, only in the newest window; ``sparse``, too seldom to tell. ``rate`` is per session.
    """

    kind: str
    rate: float

    @property
    def open(self) -> bool:
        """Whether more sessions could change what is said of it."""
        return self.kind in ("fading", "late", "sparse")


def trend_of(gains: Sequence[float], sessions: Sequence[int]) -> Trend:
    """The trend of a count that gained ``gains[i]`` in window ``i`` of ``sessions[i]`` sessions, oldest first."""
    pairs = [(max(0, g), n) for g, n in zip(gains, sessions, strict=True) if n > 0]  # one that shrank gained nothing
    total, number = sum(g for g, _ in pairs), sum(n for _, n in pairs)
    if not pairs or number == 0 or total <= 0:
        return Trend("none", 0.0)
    rate = total / number
    (last, last_n), before = pairs[-1], pairs[:-1]
    if last <= 0 or last / last_n < LEAST_RATE:
        return Trend("stopped", rate) if before and any(g > 0 for g, _ in before) else Trend("none", rate)
    if rate < LEAST_RATE:
        return Trend("none", rate)
    if not before:
        return Trend("late", rate)
    for gain, n in pairs:
        pace = (total - gain) / max(1, number - n)  # of the other windows
        expected = pace * n
        slack = 2.5 * math.sqrt(expected) if pace < 0.5 else 0.0  # what seldom happens scatters
        if gain < FADING * expected - slack:
            return Trend("fading" if gain == last and n == last_n else "late", rate)
    if rate < 0.5 and (total < ENOUGH or any(g <= 0 for g, _ in pairs)):
        return Trend("sparse", rate)
    return Trend("steady", rate)


@dataclass(frozen=True)
class Slope:
    """Bytes a session: the middle of the batches, and bounds that hold for most of them."""

    low: float
    middle: float
    high: float


def slope_of(rates: Sequence[float]) -> Slope:
    """The slope over batches with these rates. A single step, such as a module imported late, does not move it."""
    if not rates:
        return Slope(0.0, 0.0, 0.0)
    middle = statistics.median(rates)
    spread = statistics.median(abs(rate - middle) for rate in rates)
    error = 3.0 * 1.4826 * spread / math.sqrt(len(rates))
    if len(rates) < 4:  # few batches agree by chance
        error += max(rates) - min(rates)
    return Slope(middle - error, middle, middle + error)


def bytes_trend(windows: Sequence[Sequence[float]], floor: float = BYTES_FLOOR) -> Trend:
    """The trend of the memory in use, given the rates of the batches of every window, oldest first.

    A window grows if its slope's lower bound is over the floor: noise alone is no growth, it only raises the
    floor (`bytes_floor`). ``steady`` if the two newest windows grow at one pace.
    """
    slopes = [slope_of(rates) for rates in windows if rates]
    if not slopes:
        return Trend("none", 0.0)
    newest, before = slopes[-1], slopes[:-1]
    if newest.low <= floor:
        return Trend("stopped" if any(s.low > floor for s in before) else "none", max(0.0, newest.middle))
    if not before or before[-1].low <= floor:
        return Trend("late", newest.middle)
    if newest.middle < FADING * before[-1].middle:
        return Trend("fading", newest.middle)
    return Trend("steady", newest.middle)


def beyond(
    memory: Sequence[Sequence[float]], sessions: Sequence[int], findings: Sequence[Finding]
) -> list[list[float]]:
    """The rates of the newest windows, those of ``sessions``, less what the findings' holders gained in each."""
    newest = list(memory)[-len(sessions) :]
    sizes = sessions[-len(newest) :]
    explained = [0.0] * len(newest)
    for holder in (finding.holder for finding in findings):
        gains = [max(0.0, gain) for gain in holder.gains]
        for place, (gain, size) in enumerate(zip(gains[-len(newest) :], sizes, strict=True)):
            explained[place] += holder.bytes * gain / max(1.0, sum(gains)) / max(1, size)
    return [[rate - part for rate in rates] for rates, part in zip(newest, explained, strict=True)]


def bytes_floor(windows: Sequence[Sequence[float]], floor: float = BYTES_FLOOR, explained: float = 0.0) -> float:
    """The smallest growth in bytes a session that these windows could have shown, besides what is ``explained``."""
    filled = [rates for rates in windows if rates]
    if not filled:
        return math.inf
    slope = slope_of(filled[-1])
    return max(floor, floor + slope.middle - slope.low, slope.high - explained if slope.low > floor else 0.0)


@dataclass(frozen=True)
class Holder:
    """One row of ``retainers``: a place that gained something. Lists run over the windows, oldest first.

    ``items`` are what a container's length gained, ``edges`` the young things directly held, ``below`` all young
    things that hang there. ``limit`` is a bound ``{"size", "name"}``, ``reads`` the bound that the source gives.
    ``through`` are the libraries on the way to what is kept. ``weak``: it holds weak references only. A list of them
    grows, whatever becomes of what they lead to.
    """

    holder: str
    kind: str = ""
    items: Sequence[int] = ()
    edges: Sequence[int] = ()
    below: Sequence[int] = ()
    length: int | None = None
    limit: dict | None = None
    reads: dict | None = None
    weak: bool = False
    repeats: bool = False
    ends_in: float | None = None
    bytes: int = 0
    named: bool = False
    chain: Sequence[str] = ()
    filled: Sequence[str] = ()
    emptied: Sequence[str] = ()
    shrinks: bool = False
    defined: str = ""
    owner: str = ""
    example: str = ""
    tops: int = 0
    through: Sequence[str] = ()

    @property
    def gains(self) -> Sequence[float]:
        """What it gained in each window: its length if it is a container, else what hangs on it."""
        if any(n > 0 for n in self.items):
            return self.items
        return self.below if any(self.below) else self.edges

    @property
    def container(self) -> bool:
        return self.length is not None and not self.named

    @property
    def may_be_bounded(self) -> bool:
        """Whether the application removes something from it, or from something that it does not name."""
        return self.container and bool(self.emptied or (self.shrinks and not self.filled))


@dataclass(frozen=True)
class Finding:
    """What is thought of one holder.

    ``kind``: ``leak``, ``bounded``, ``residue`` (a library's own few bytes), ``ends`` (a timer lets go of it),
    ``open`` (more sessions are needed) or ``nothing``. ``why`` says it in words.
    """

    holder: Holder
    kind: str
    rate: float
    why: str = ""


def judge(holder: Holder, sessions: Sequence[int]) -> Finding:
    """What a holder's gains in windows of ``sessions`` sessions mean."""
    trend = trend_of(holder.gains, sessions)

    def found(kind: str, why: str = "") -> Finding:
        return Finding(holder, kind, trend.rate, why)

    if trend.kind == "none" or (holder.weak and not holder.limit and not any(n > 0 for n in holder.items)):
        return found("nothing")
    bound = _bound_of(holder)
    if trend.kind == "stopped":
        newest = holder.gains[-1] <= 0
        grew_twice = sum(g > 0 for g in holder.gains) >= 2
        if newest and grew_twice:
            return found(
                "bounded", bound or f"stopped at {holder.length} items" if holder.length else "stopped growing"
            )
        return found("bounded", bound) if bound and holder.container else found("nothing")
    if bound:
        return found("bounded", bound)
    if _slides(holder):
        return found("nothing", "keeps the newest only")
    per_session = holder.bytes / max(1, sum(sessions))
    if holder.owner != "app" and (holder.repeats or (not any(holder.below) and per_session < TINY and not holder.tops)):
        return found("residue", "a list of a library's own, and no leak")
    if _is_bookkeeping(holder, sessions):
        if trend.rate < 0.5:
            return found("nothing", "what the server has in hand: a connection that closes late")
        whose = "Python's standard library" if holder.owner == "python" else holder.owner
        return found("residue", f"bookkeeping of {whose}, and no leak")
    if holder.kind == "C" and trend.rate < 0.9:
        return found("nothing", "what the lab itself had in hand")
    if trend.rate < 0.5 and holder.container and not any(holder.items) and (holder.length or 0) <= 3:
        return found("nothing", "the one of its places is filled anew")
    if trend.rate < 0.5 and (holder.holder.startswith(BUSY) or holder.kind == "Task"):  # a task waits for one thing
        return found("nothing", "what runs at the moment")
    if trend.open:
        return found("open", trend.kind)
    if holder.ends_in is not None:
        return found("ends", f"a timer lets go of it after {holder.ends_in:.0f} s")
    return found("leak")


def _is_bookkeeping(holder: Holder, sessions: Sequence[int]) -> bool:
    """Whether it is a table of the standard library, or of a framework, that gains an item a session and no more.

    No application put it there, nor stands on the way to it. What hangs on a Document, a model, a thread or a task is
    never one object alone.
    """
    number = max(1, sum(sessions))
    return (
        holder.owner in FRAMEWORKS
        and "app" not in holder.through
        and holder.container
        and not holder.filled
        and holder.bytes / number < BYTES_FLOOR
        and max(sum(holder.items), sum(holder.below), sum(holder.edges)) <= number
    )


def _bound_of(holder: Holder) -> str:
    """The bound of a container, in words, if it has one that it has not passed."""
    for bound in (holder.limit, holder.reads):
        if bound and (holder.length is None or holder.length <= bound["size"] + 1):
            return bound["name"]
    places = holder.length if holder.container and not any(holder.items) else None
    if places and 3 < sum(holder.edges) <= places and sum(holder.below) <= 40 * sum(holder.edges):
        return f"its {places} places"  # a ring: nothing is added, places are filled anew
    return ""


def _slides(holder: Holder) -> bool:
    """Whether only what the newest window brought is there: the older was let go of."""
    if any(n > 0 for n in holder.items):
        return False
    older = sum(holder.below[:-1]) + sum(holder.edges[:-1])
    return older == 0 and holder.tops <= 4


@dataclass(frozen=True)
class Judgement:
    """The whole: ``verdict``, the findings behind it, and whether more sessions would help."""

    verdict: str
    findings: tuple[Finding, ...] = field(default=())
    memory: Trend = Trend("none", 0.0)
    why: str = ""

    def of(self, kind: str) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.kind == kind)


def decide(
    holders: Sequence[Holder],
    sessions: Sequence[int],
    memory: Sequence[Sequence[float]],
    *,
    floor: float = BYTES_FLOOR,
    final: bool = False,
) -> Judgement:
    """Clean, bounded, leak or undecided, from the holders and from the memory in use.

    Parameters
    ----------
    holders : what gained something in the windows.
    sessions : how many sessions each window had, oldest first.
    memory : for each window the bytes a session that each of its batches added to the heap.
    floor : bytes a session that are not told from nothing.
    final : there will be no more windows. Memory that grew in the newest only is then noise, and raises the floor.
    """
    findings = tuple(f for f in (judge(h, sessions) for h in holders) if f.kind != "nothing")
    trend = bytes_trend(memory, floor)
    if any(f.kind == "leak" and f.holder.kind != "C" for f in findings):
        # what C code holds then is a part of what was found
        findings = tuple(f for f in findings if f.holder.kind != "C" or any(f.holder.items))
    kinds = {finding.kind for finding in findings}
    if "leak" in kinds:
        return Judgement("leak", findings, trend)
    if "open" in kinds:
        return Judgement("undecided", findings, trend, "something grows, but not yet at a steady pace")
    if kinds & {"bounded", "ends"}:
        # what is filling up explains its own part; what is left has to grow by itself, and be as large
        rest = bytes_trend(beyond(memory, sessions, findings), max(floor, 0.5 * trend.rate))
        trend = rest if rest.kind != "steady" else trend
    if trend.kind == "steady" and len([w for w in memory if w]) >= 3:
        return Judgement("leak", findings, trend, "memory outside Python's objects grows")
    if trend.kind == "steady" or (trend.open and not final):
        return Judgement("undecided", findings, trend, "the memory in use grows, and no object tells why")
    if kinds & {"bounded", "ends"}:
        return Judgement("bounded", findings, trend)
    return Judgement("clean", findings, trend)
