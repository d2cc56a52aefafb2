"""Sessions that wait on the server for users who have left: how long each of them, and how many at a time.

waiting = await arrivals(server, per_second=4, seconds=8)
print(waiting.at_once)
waiting.saw_tooth(6.3)
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sessionlab.client import visit
from sessionlab.course.picture import BLUE, RED, YELLOW, Picture, picture
from sessionlab.lifetimes import CHECK, LIFETIME
from sessionlab.probe.timeline import Timeline
from sessionlab.server import Server

AT_ONCE = 20  # pages that are open at a time


@dataclass(frozen=True)
class Waiting:
    """The sessions of a ``timeline``, all of which have ended.

    ``left`` and ``gone`` are seconds on the timeline: of each disconnect, and of each end. ``kept`` are the seconds
    between the two, one for each session.
    """

    timeline: Timeline
    left: list[float]
    gone: list[float]
    kept: list[float]

    @classmethod
    def of(cls, timeline: Timeline) -> Waiting:
        frame = timeline.frame()
        left = frame[frame.event == "disconnected"].groupby("session").time.last()
        gone = frame[frame.event == "destroyed"].groupby("session").time.last()
        return cls(timeline, sorted(left), sorted(gone), list((gone - left).dropna()))

    @property
    def arrived(self) -> float:
        """Users a second, from the first who left to the last."""
        return len(self.left) / (self.left[-1] - self.left[0])

    @property
    def at_once(self) -> float:
        """Sessions that waited at a time, on average over the same seconds."""
        return sum(self.kept) / (self.left[-1] - self.left[0])

    def histogram(self, faster: float) -> Picture:
        """How long they were kept, as if the server had run ``faster`` times slower: with the default flags."""
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 2.8))
        bins = [LIFETIME + CHECK / 8 * i for i in range(-2, 12)]
        predicted = f"predicted: evenly over {LIFETIME:g} to {LIFETIME + CHECK:g} s"
        axes.axvspan(LIFETIME, LIFETIME + CHECK, color=YELLOW, alpha=0.3, zorder=0, label=predicted)
        axes.hist(
            [faster * seconds for seconds in self.kept], bins=bins, color=BLUE, edgecolor="white", label="measured"
        )
        axes.set(xlabel="seconds from the disconnect to the destruction", ylabel="sessions", xlim=(10, 42))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2)
        return picture(
            figure,
            f"Histogram: {len(self.kept)} sessions are destroyed between {faster * min(self.kept):.0f} and "
            f"{faster * max(self.kept):.0f} seconds after the disconnect.",
        )

    def saw_tooth(self, predicted: float) -> Picture:
        """The number of sessions that wait, second by second, and the mean that is ``predicted``."""
        import matplotlib.pyplot as plt

        steps = sorted([(at, +1) for at in self.left] + [(at, -1) for at in self.gone])
        waiting = [sum(change for _, change in steps[: place + 1]) for place in range(len(steps))]
        figure, axes = plt.subplots(figsize=(7, 2.6))
        axes.step([at for at, _ in steps], waiting, where="post", color=BLUE, label="measured")
        axes.axhline(predicted, color=RED, ls="--", label="predicted mean")
        axes.set(xlabel="seconds", ylabel="sessions that wait", ylim=(0, None))
        axes.legend(loc="lower center")
        return picture(
            figure,
            f"A saw-tooth: the number of waiting sessions swings around the predicted mean of {predicted:.1f}, is "
            f"{max(waiting)} at most, and falls to zero after the last visit.",
        )


async def leave_at_random(server: Server, number: int, within: float) -> Waiting:
    """``number`` users open a page, and leave within so many seconds, each at a moment of her own.

    Returns when all their sessions have ended, as `arrivals` does.
    """
    dice = random.Random(3)

    async def leave(session) -> None:
        await asyncio.sleep(dice.uniform(0, within))  # how long this user looks at the page
        await session.close()

    server.probe.reset()
    for begin in range(0, number, AT_ONCE):
        async with AsyncExitStack() as pages:
            several = range(begin, min(number, begin + AT_ONCE))
            sessions = [await pages.enter_async_context(visit(server.url)) for _ in several]
            await asyncio.gather(*map(leave, sessions))
    return await _ended(server)


async def arrivals(server: Server, per_second: float, seconds: float) -> Waiting:
    """Users arrive at a steady rate and leave at once; when all their sessions have ended."""

    async def come_and_go(at: float) -> None:
        await asyncio.sleep(at)
        async with visit(server.url):
            pass

    server.probe.reset()
    await asyncio.gather(*(come_and_go(number / per_second) for number in range(int(per_second * seconds))))
    return await _ended(server)


async def _ended(server: Server) -> Waiting:
    while server.probe.sessions():
        await asyncio.to_thread(lambda: next(iter(server.probe.follow(timeout=0.5)), None))
    return Waiting.of(server.probe.timeline())
