"""Guests in rounds: what servers hold while their guests are there, and when these have gone.

rounds = await in_rounds({"leaky": server})
print(rounds["leaky"].alive)
saw_teeth(rounds)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sessionlab.client import visit
from sessionlab.course.measure import emptied
from sessionlab.course.picture import BLUE, GREEN, RED, Picture, picture
from sessionlab.probe.results import Census
from sessionlab.server import Server

ROUNDS, GUESTS = 5, 6
GROWN = 4  # megabytes of resident memory that tell a process which has grown from one which has not


@dataclass(frozen=True)
class Rounds:
    """The ``censuses`` of one server: one at the start, and two of each round, with the guests and without them."""

    censuses: tuple[Census, ...]

    @property
    def megabytes(self) -> list[float]:
        """Resident memory, at each census."""
        return [census.rss / 1e6 for census in self.censuses]

    @property
    def in_use(self) -> list[int]:
        """Pieces of memory that Python has in use, more than at the start, at each census."""
        return [census.blocks - self.censuses[0].blocks for census in self.censuses]

    @property
    def alive(self) -> list[int]:
        """Objects of the application's own classes without guests, more than at the start, after each round."""
        counts = [sum(census.app_objects.values()) for census in self.censuses[::2]]
        return [count - counts[0] for count in counts]


async def in_rounds(servers: Mapping[str, Server], rounds: int = ROUNDS, guests: int = GUESTS) -> dict[str, Rounds]:
    """Let ``guests`` come to each server, stay for a look, and leave; wait for the ends of their sessions; look again.

    The servers are visited at the same time. Raises what `visit` and `emptied` raise.
    """
    looks = await asyncio.gather(*(_in_rounds(server, rounds, guests) for server in servers.values()))
    return dict(zip(servers, looks, strict=True))


async def _in_rounds(server: Server, rounds: int, guests: int) -> Rounds:
    censuses = [await asyncio.to_thread(emptied, server)]
    for _ in range(rounds):
        async with AsyncExitStack() as pages:
            for _ in range(guests):
                await pages.enter_async_context(visit(server.url))
            censuses.append(await asyncio.to_thread(server.probe.census))
        censuses.append(await asyncio.to_thread(emptied, server, before=censuses[0]))
    return Rounds(tuple(censuses))


def saw_teeth(seen: Mapping[str, Rounds]) -> Picture:
    """Resident memory above, pieces in use below; the feet of the teeth are marked."""
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, len(seen), figsize=(9, 4.4), sharex=True, sharey="row", layout="constrained")
    for column, (name, rounds) in zip(rows.T, seen.items(), strict=True):
        grown = [megabytes - rounds.megabytes[0] for megabytes in rounds.megabytes]
        for axes, values in zip(column, (grown, [blocks / 1000 for blocks in rounds.in_use]), strict=True):
            axes.plot(values, color=BLUE, lw=1)
            axes.plot(range(0, len(values), 2), values[::2], "o", color=RED, ms=5, label="without guests")
        marks = range(0, len(rounds.censuses), 2)
        column[0].set(title=name)
        column[1].set(xlabel="rounds", xticks=marks, xticklabels=range(len(marks)))
    rows[0, 0].set_ylabel("RSS (MB)")
    rows[1, 0].set_ylabel("in use (1000 pieces)")
    rows[0, 0].legend(fontsize=8)
    larger = [name for name, rounds in seen.items() if rounds.megabytes[-1] - rounds.megabytes[0] > GROWN]
    feet = "; ".join(f"{name} {', '.join(map(str, rounds.alive))}" for name, rounds in seen.items())
    return picture(
        figure,
        f"Two curves for each server over {len(marks) - 1} rounds: resident memory above, pieces in use below. Without "
        f"guests, at the end, more than {GROWN} MB over their start: {', '.join(larger) or 'none'}. Objects of the "
        f"applications without guests, from round to round: {feet}.",
    )


def two_windows(seen: Mapping[str, Rounds], first: int) -> Picture:
    """The applications' own objects over all sessions; a window A of ``first`` rounds, and B of the others."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 2.8))
    for (name, rounds), colour, mark in zip(seen.items(), (RED, GREEN, BLUE), "os^", strict=True):
        sessions = [census.created - rounds.censuses[0].created for census in rounds.censuses[::2]]
        axes.plot(sessions, rounds.alive, mark + "-", color=colour, label=name)
    border = sessions[first]
    axes.axvspan(0, border, color="#57606a", alpha=0.12, lw=0)
    axes.annotate("window A", (0.5, 0.9), xycoords=("data", "axes fraction"))
    axes.annotate("window B", (border + 0.5, 0.9), xycoords=("data", "axes fraction"))
    axes.set(xlabel="sessions opened and ended", ylabel="the app's own objects")
    axes.legend(loc="center right")
    ends = ", ".join(f"{name} by {rounds.alive[first]} and then to {rounds.alive[-1]}" for name, rounds in seen.items())
    return picture(
        figure,
        f"Objects over {sessions[-1]} sessions, in a window A of {border} and a window B of {sessions[-1] - border}. "
        f"They grow: {ends}.",
    )
