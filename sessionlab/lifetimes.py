"""Choose the two flags: what an outage asks of them, and what they cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

LIFETIME, CHECK = 15.0, 17.0  # seconds: Bokeh's defaults for a session without a connection, and for looking
ATTEMPTS = (0.0, 2.0, 6.0, 14.0, 30.0)  # seconds after the cut at which BokehJS 3.9 tries to reconnect, by itself
BY_HAND = 60.0  # seconds allowed to a user for the click after the last of them
MARGIN = 1.0  # seconds for the attempt itself


def next_attempt(outage: float) -> float:
    """Seconds after the cut at which the first attempt meets a server that is back after ``outage`` seconds.

    After the last automatic attempt the user has to click: one minute is allowed for that.
    """
    return next((at for at in ATTEMPTS if at >= outage), max(ATTEMPTS[-1], outage) + BY_HAND)


def retained(arrivals: float, lifetime: float, check: float) -> float:
    """Mean number of sessions that wait without a connection.

    Each visit leaves one, and it waits between ``lifetime`` and ``lifetime + check`` seconds, uniformly.

    Parameters
    ----------
    arrivals : visits that end, per second.
    """
    return arrivals * (lifetime + check / 2)


@dataclass(frozen=True)
class Plan:
    """The flags for `panel serve`, in seconds, and what they cost.

    Attributes
    ----------
    lifetime, check, token_expiration : for ``serve(...)``; ``flags`` writes them for the command line.
    waiting : mean number of sessions kept for users who have left; ``worst`` is the highest.
    megabytes : what ``worst`` takes.
    """

    lifetime: int
    check: int
    token_expiration: int
    waiting: float
    worst: float
    megabytes: float

    @property
    def flags(self) -> str:
        return (
            f"--unused-session-lifetime {self.lifetime * 1000} --check-unused-sessions {self.check * 1000} "
            f"--session-token-expiration {self.token_expiration}"
        )

    def to_dict(self) -> dict:
        return {**asdict(self), "flags": self.flags}

    def __str__(self) -> str:
        return (
            f"{self.flags}\n"
            f"keeps {self.waiting:.0f} sessions for users who have left (at most {self.worst:.0f}): "
            f"up to {self.megabytes:.0f} MB"
        )


def plan(outage: float, arrivals: float, megabytes: float, visit: float = 24 * 3600) -> Plan:
    """The flags with which a user gets the session back after an outage, and their price.

    Parameters
    ----------
    outage : the longest outage, in seconds, that a user is to survive.
    arrivals : visits per second. One visit every ten seconds is 0.1.
    megabytes : memory of one session.
    visit : how long a page stays open, in seconds: the token in it must be valid for as long.

    Raises ValueError for numbers that cannot be.
    """
    if not (outage > 0 and arrivals >= 0 and megabytes >= 0 and visit > 0):
        raise ValueError("outage and visit are seconds above 0; arrivals and megabytes are at least 0")
    lifetime = math.ceil(next_attempt(outage) + MARGIN)
    check = max(1, round(lifetime / 4))  # finer costs a look at every session, coarser keeps them for longer
    worst = arrivals * (lifetime + check)
    waiting = retained(arrivals, lifetime, check)
    return Plan(lifetime, check, math.ceil(visit), waiting, worst, worst * megabytes)
