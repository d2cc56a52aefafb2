"""Does a server keep something of its sessions? Decided from real visitors, whoever they are.

Every few seconds the agent is asked for plain numbers. Whenever enough sessions have ended, it looks who holds what
they left; what gains at one pace in windows of unlike size is a leak, as in a hunt (`leaks.decision`).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sessionlab.errors import ServerGone
from sessionlab.leaks.advice import advice_for, holders_in
from sessionlab.leaks.decision import BYTES_FLOOR, Holder, trend_of
from sessionlab.probe.client import Probe
from sessionlab.sizes import show_size

SIZES = (12, 18, 24)  # sessions that have to end between two looks
ENOUGH = 48  # sessions that have ended without a trace, after which it is clean
LOOKS = 6  # after which the heap tells something
EXIT = {"clean": 0, "leak": 1, "undecided": 2}
_pause = threading.Event()  # nobody sets it: it only waits


@dataclass(frozen=True)
class Watched:
    """What a server has shown.

    ``verdict``: clean, leak or undecided. ``ended``: sessions whose end was seen. ``holder``, ``chain``, ``owner``,
    ``advice``: who holds what they left; ``per_session``: how many Documents that are. ``bytes``: what each leaves in
    the heap (None where that cannot be told). ``hours``: until the memory limit is met at this pace.
    """

    verdict: str
    ended: int
    seconds: float
    holder: str = ""
    chain: tuple[str, ...] = ()
    owner: str = ""
    advice: str = ""
    per_session: float = 0.0
    bytes: float | None = None
    hours: float | None = None

    @property
    def exit_code(self) -> int:
        return EXIT[self.verdict]

    def to_dict(self) -> dict:
        return {**vars(self), "chain": list(self.chain)}

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.ended} sessions ended in {self.seconds / 60:.0f} minutes"]
        if self.holder:
            lines.append(f"{self.per_session:.2f} Documents a session stay: {' → '.join(self.chain or (self.holder,))}")
        if self.bytes is not None:
            lines.append(f"{show_size(self.bytes)} a session stay in the heap")
        lines += [f"belongs to: {self.owner}"] if self.owner else []
        lines += [f"what to do: {self.advice}"] if self.advice else []
        lines += [f"the memory limit is met in {self.hours:.1f} hours"] if self.hours is not None else []
        return "\n".join(lines)


@dataclass
class Seen:
    """The looks at one life of a server: at each, sessions ``ended``, bytes of the ``heap``, and the holders."""

    ended: list[int] = field(default_factory=list)
    heap: list[int | None] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    held: list[dict[str, Holder]] = field(default_factory=list)

    def add(self, answer: Mapping) -> None:
        numbers = answer["numbers"]
        self.ended.append(numbers["ended"])
        self.heap.append(numbers["heap"])
        self.live.append(numbers["live"])
        self.held.append({holder.holder: holder for holder in holders_in(answer["held"])})

    @property
    def sizes(self) -> list[int]:
        return [after - before for before, after in itertools.pairwise(self.ended)]

    def leaks(self) -> list[tuple[Holder, float]]:
        """Who holds more with every look, at one pace, and how many Documents a session; the worst first."""
        found = []
        for name, holder in (self.held[-1] if self.held else {}).items():
            counts = [held[name].tops if name in held else 0 for held in self.held]
            gains = [after - before for before, after in itertools.pairwise(counts)]
            trend = trend_of(gains, self.sizes)
            if len(gains) > 1 and trend.kind == "steady":
                found.append((holder, trend.rate))
        return sorted(found, key=lambda pair: -pair[1])

    def bytes(self) -> tuple[float, float] | None:
        """What each ended session left in the heap, and the error of that; None if it cannot be told yet.

        Least squares over the looks: sessions that live take their part of the heap as well. The first look is left
        out: what the first visitors bring, such as modules, comes once.
        """
        looks = [row for row in zip(self.ended, self.live, self.heap, strict=True) if row[2] is not None][1:]
        if len(looks) < LOOKS:
            return None
        ended, live, heap = np.array(looks, dtype=float).T
        terms = np.column_stack([np.ones_like(ended), live, ended - ended[0]])
        found, *_ = np.linalg.lstsq(terms, heap, rcond=None)
        spread = np.sum((heap - terms @ found) ** 2) / max(1, len(looks) - terms.shape[1])
        error = np.sqrt(spread * np.linalg.pinv(terms.T @ terms)[2, 2])
        return float(found[2]), float(error)

    def roughly(self) -> float | None:
        """What each session left in the heap between the second look and the newest, whoever was there meanwhile."""
        looks = [(n, heap) for n, heap in zip(self.ended, self.heap, strict=True) if heap is not None][1:]
        if len(looks) < 2 or looks[-1][0] == looks[0][0]:
            return None
        return max(0.0, (looks[-1][1] - looks[0][1]) / (looks[-1][0] - looks[0][0]))


def watch(
    probe: Probe,
    seconds: float,
    *,
    every: float = 5.0,
    memory: int | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Watched:
    """Watch the server that ``probe`` asks for so many seconds, or until the verdict is a leak.

    Parameters
    ----------
    every : seconds between two questions.
    memory : bytes that the process may take; by default what its container says.
    told : called with a line after each look.

    A server that is started anew is watched anew. Raises what `Probe` raises when it does not answer from the start.
    """
    began, total, seen, life, numbers = time.monotonic(), 0, Seen(), None, {}
    while True:
        try:
            numbers = probe.ask("GET", "watch")
        except ServerGone:
            if life is None:
                raise
            _pause.wait(every)  # it may be started anew
            if time.monotonic() - began > seconds:
                break
            continue
        if numbers["began"] != life:
            total += seen.ended[-1] - seen.ended[0] if seen.ended else 0
            life, seen = numbers["began"], Seen()
            seen.add(probe.ask("GET", "look", patience=120))
        wanted = SIZES[min(len(seen.sizes), len(SIZES) - 1)]
        over = time.monotonic() - began >= seconds
        if numbers["ended"] - seen.ended[-1] >= (1 if over else wanted):
            seen.add(probe.ask("GET", "look", patience=120))
            told(f"{sum(seen.sizes)} sessions ended, {len(seen.held[-1])} hold something of them")
        if over or seen.leaks():
            break
        _pause.wait(every)
    if memory is not None:
        numbers = {**numbers, "limit": memory}
    return _judged(seen, total, numbers, time.monotonic() - began)


def together(found: Sequence[Watched]) -> str:
    """The verdict on several servers of one application: the worst."""
    return next(verdict for verdict in ("leak", "undecided", "clean") if any(w.verdict == verdict for w in found))


def _judged(seen: Seen, before: int, numbers: Mapping, seconds: float) -> Watched:
    ended, leaks = sum(seen.sizes), seen.leaks()
    size, error = seen.bytes() or (None, 0.0)
    if not leaks:
        grows = size is not None and size - 2 * error > 4 * BYTES_FLOOR  # and nothing tells why
        verdict = "clean" if ended >= ENOUGH and not grows else "undecided"
        return Watched(verdict, before + ended, seconds, bytes=size)
    size = seen.roughly() if size is None else size  # it is a leak, however big: an estimate helps
    holder, rate = leaks[0]
    return Watched(
        "leak",
        before + ended,
        seconds,
        holder.holder,
        tuple(holder.chain),
        holder.owner,
        advice_for(holder),
        rate,
        size,
        _hours(size, ended / max(1.0, seconds), numbers),
    )


def _hours(size: float | None, pace: float, numbers: Mapping) -> float | None:
    """Until the limit of the memory is met, at ``pace`` sessions a second that leave ``size`` bytes each."""
    if not size or size <= 0 or not pace or not numbers.get("limit"):
        return None
    return max(0.0, numbers["limit"] - numbers["rss"]) / (size * pace) / 3600
