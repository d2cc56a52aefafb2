"""From what a session costs to what to write down: flags, caps, memory limit, number of processes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sessionlab.client.shown import Shown
from sessionlab.errors import InvalidOption
from sessionlab.lifetimes import Plan, plan

LINE = 0.75  # of a container's memory: where new visitors are sent away, below where the kernel kills
BUSY = 0.5  # of a process's time may go into building pages: nobody is served meanwhile


@dataclass(frozen=True)
class Wanted(Shown):
    """What the application has to bear.

    Attributes
    ----------
    rate : visits that begin in a second, in all processes together; None: as many as fit into one process.
    stay : seconds that a page stays open.
    outage : seconds of the longest outage that a user is to survive.
    memory : bytes of one process's container.
    """

    rate: float | None = None
    stay: float = 600.0
    outage: float = 30.0
    memory: float = 2 * 2**30

    def __post_init__(self):
        for name in ("rate", "stay", "outage", "memory"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
                raise InvalidOption(f"{name}={value!r} cannot be used.", advice="give a number above 0.")


@dataclass(frozen=True)
class Advice(Shown):
    """What to write down. ``live`` is 0 when not even one session fits.

    Attributes
    ----------
    plan : the flags of ``panel serve``, and the sessions that wait for users who have left.
    live, retained, memory : for ``SessionLimits``; memory in bytes.
    rate : visits a second that one process bears so, each of them staying for as long as was said.
    processes : how many bear the wanted rate.
    """

    plan: Plan
    live: int
    retained: int
    memory: int
    rate: float
    processes: int

    @property
    def limits(self) -> str:
        megabytes = self.memory // 2**20
        return f'SessionLimits(retained={self.retained}, live={self.live}, memory="{megabytes} MiB").install()'


def advise(base: float, per_session: float, build: float, wanted: Wanted) -> Advice:
    """What follows from bytes of an empty process, bytes of a session, and seconds to build one."""
    line = int(LINE * wanted.memory)
    flags = plan(wanted.outage, 0, 0)
    kept = wanted.stay + flags.lifetime + flags.check  # seconds that a session exists, at most
    fits = max(0, math.floor((line - base) / per_session))
    by_memory, by_time = fits / kept, BUSY / build
    bears = min(by_memory, by_time)
    processes = 1 if wanted.rate is None or not bears else max(1, math.ceil(wanted.rate / bears))
    rate = bears if wanted.rate is None else min(bears, wanted.rate / processes)
    chosen = plan(wanted.outage, rate, per_session / 1e6, visit=max(86400.0, wanted.stay))
    # Everybody may wait at once, when a proxy restarts. Visits come at random: three standard deviations more.
    waiting = rate * wanted.stay + chosen.worst
    retained = min(fits, math.ceil(waiting + 3 * math.sqrt(waiting)))
    return Advice(chosen, fits, max(1, retained), line, bears, processes)
