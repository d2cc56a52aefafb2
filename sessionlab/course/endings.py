"""What the end of a server costs those who are connected to it, and those who come meanwhile.

ending = await endure("a kill", server.url, [server], lambda: replace(server, how=signal.SIGKILL))
print(ending)
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sessionlab.client.page import get_page
from sessionlab.client.protocol import visit
from sessionlab.client.shown import Shown
from sessionlab.course.picture import Picture, picture
from sessionlab.errors import SessionLabError
from sessionlab.server import Server

USERS = 6
PATIENCE = 120.0  # seconds in which everything has happened, on a slow machine too
COLOURS = {  # Okabe and Ito's palette, and a hatch for each: the picture can be read in grey as well
    "at work": ("#009E73", ""),
    "cut off": ("#ffffff", ""),
    "in a new session": ("#E69F00", "///"),
}


@dataclass(frozen=True)
class Ending(Shown):
    """One end of a server, as ``users`` saw it.

    Attributes
    ----------
    title : what was done.
    users : how many were connected, each with a session of its own and something in it.
    told : how many read on their page beforehand that the server was about to end.
    hooks : how many of their sessions ran their destroy hook.
    job_done : whether the job that one of them had started was finished.
    kept : how many found their session again.
    refused : whether somebody who came meanwhile got no page.
    moves : how often each of them got a new session.
    spans : for each user, what (a key of ``COLOURS``) from which second to which.
    notices : for each user, when the notice was read; None if it was not.
    turned_away : seconds at which a newcomer got no page.
    """

    title: str
    users: int
    told: int
    hooks: int
    job_done: bool
    kept: int
    refused: bool
    moves: tuple[int, ...]
    spans: tuple[tuple[tuple[str, float, float], ...], ...]
    notices: tuple[float | None, ...]
    turned_away: tuple[float, ...]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.title}:",
                f"  told beforehand        {self.told} of {self.users}",
                f"  destroy hooks run      {self.hooks} of {self.users}",
                f"  job finished           {'yes' if self.job_done else 'no'}",
                f"  found their session    {self.kept} of {self.users}",
                f"  new sessions built     {sum(self.moves)}",
                f"  newcomers turned away  {'yes' if self.refused else 'no'}",
            ]
        )


def replace(*servers: Server, how: signal.Signals = signal.SIGTERM) -> None:
    """End each server by ``how``, wait for its end, start it again on the same port; one after the other."""
    for server in servers:
        server.restart(how, timeout=PATIENCE)


async def endure(
    title: str, url: str, servers: Sequence[Server], end: Callable[[], None], users: int = USERS
) -> Ending:
    """Have ``users`` work at ``url``, call ``end`` in a thread, and watch until all of them are connected again."""
    logs = [server.log for server in servers]
    everybody, over = [_User(url) for _ in range(users)], asyncio.Event()
    for user in everybody:
        await user.arrive()
    await everybody[0].start_job()
    begin = time.monotonic()
    for user in everybody:
        user.begin = begin
    first = {user.session.id for user in everybody}
    newcomers = asyncio.create_task(_newcomers(url, begin, over))
    staying = [asyncio.create_task(user.stay(over)) for user in everybody]
    try:
        await asyncio.to_thread(end)
        async with asyncio.timeout(PATIENCE):
            while not all(user.connected and not user.session.closed for user in everybody):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        over.set()
        turned_away = await newcomers
        await asyncio.gather(*staying)
        await asyncio.gather(*(user.session.close() for user in everybody))
    for log in logs:  # what a server said last may still be on its way
        await asyncio.to_thread(log.wait_for_end, 30)
    said = {line for log in logs for line in log.lines}
    return Ending(
        title=title,
        users=users,
        told=sum(user.told is not None for user in everybody),
        hooks=sum(f"hook {session_id}" in said for session_id in first),
        job_done="job done" in said,
        kept=sum(user.moves == 0 for user in everybody),
        refused=bool(turned_away),
        moves=tuple(user.moves for user in everybody),
        spans=tuple(tuple(user.spans) for user in everybody),
        notices=tuple(user.told for user in everybody),
        turned_away=tuple(turned_away),
    )


class _User:
    """One who works on the page, reads what it says, and comes back as `harden.reconnect` does."""

    def __init__(self, url: str):
        self._url, self.begin = url, 0.0
        self._state, self._since = "at work", 0.0
        self.connected, self.moves = False, 0
        self.told: float | None = None
        self.spans: list[tuple[str, float, float]] = []

    @property
    def _now(self) -> float:
        return time.monotonic() - self.begin

    async def arrive(self) -> None:
        self.session = await visit(self._url)
        await self.session.click("add one")
        await self.session.wait_for("count", value=1, timeout=30)
        self.connected = True

    async def start_job(self) -> None:
        await self.session.click("work")
        await self.session.wait_for("job", value="working", timeout=30)

    async def stay(self, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(SessionLabError):
                await self.session.wait_for(lambda session: session.closed or self._notice(session), timeout=0.2)
            if self.told is None and self._notice(self.session):
                self.told = self._now
            if self.session.closed:
                self._enter("cut off")
                await self._come_back(over)
        self._enter("")

    def _notice(self, session) -> bool:
        said = any("about to restart" in str(model.attributes.get("text")) for model in session.models.values())
        return self.told is None and said

    async def _come_back(self, over: asyncio.Event) -> None:
        self.connected = False
        while not over.is_set():
            try:
                await self.session.reconnect()
                kept = self.session.value("count") == 1
            except (SessionLabError, OSError):
                await asyncio.sleep(0.1)
                continue
            self.moves += not kept
            self._enter("at work" if self.moves == 0 else "in a new session")
            self.connected = True
            return

    def _enter(self, state: str) -> None:
        self.spans.append((self._state, self._since, self._now))
        self._state, self._since = state, self._now


async def _newcomers(url: str, begin: float, over: asyncio.Event) -> list[float]:
    """Ask for the page every now and then; the seconds at which there was none."""
    missed = []
    while not over.is_set():
        try:
            served = (await get_page(url, timeout=30)).status == 200
        except SessionLabError:
            served = False
        if not served:
            missed.append(time.monotonic() - begin)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.25)
    return missed


def draw(endings: Sequence[Ending]) -> Picture:
    """A bar for each user, under each other for each ending."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(8, 1.5 * len(endings) + 0.9), layout="constrained")
    rows = figure.subplots(len(endings), 1, sharex=True, squeeze=False)[:, 0]
    for axes, ending in zip(rows, endings, strict=True):
        for place, spans in enumerate(ending.spans):
            for state, since, until in spans:
                colour, hatch = COLOURS[state]
                edge = "#57606a" if state == "cut off" else "white"
                axes.barh(
                    place,
                    until - since,
                    left=since,
                    height=0.7,
                    color=colour,
                    hatch=hatch,
                    edgecolor=edge,
                    linewidth=0.5,
                )
            if ending.notices[place] is not None:
                axes.plot(ending.notices[place], place, "v", color="black", markersize=6)
        axes.plot(ending.turned_away, [ending.users] * len(ending.turned_away), "x", color="#b42318", markersize=6)
        axes.set_title(ending.title, loc="left", fontsize=10)
        axes.set(yticks=[], ylim=(-0.6, ending.users + 0.6))
        axes.spines[["top", "right", "left"]].set_visible(False)
    rows[-1].set_xlabel("seconds")
    handles = [Patch(facecolor=c, hatch=h, edgecolor="#57606a", label=name) for name, (c, h) in COLOURS.items()]
    handles.append(rows[0].plot([], [], "v", color="black", label="reads that the server will end")[0])
    handles.append(rows[0].plot([], [], "x", color="#b42318", label="newcomer gets no page")[0])
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return picture(figure, " ".join(["Users as bars over time.", *map(_in_words, endings)]))


def _in_words(ending: Ending) -> str:
    page = "a newcomer gets no page meanwhile" if ending.refused else "every newcomer gets a page"
    return (
        f"{ending.title}: {ending.told} of {ending.users} read a notice before, {sum(ending.moves)} new sessions are "
        f"built, {page}."
    )
