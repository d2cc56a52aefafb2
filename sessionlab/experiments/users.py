"""All users of an experiment at once, or one of them: what they do, what happens to them, what they see."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence

from sessionlab.client.screenshot import Screenshot
from sessionlab.errors import InvalidOption
from sessionlab.experiments.notes import Notes, Table
from sessionlab.experiments.user import BrowserUser, ProtocolUser
from sessionlab.probe.timeline import Timeline


class Users:
    """Every verb is said to all users at the same time; ``users["Ann"]`` are those of that name.

    ``server`` is the server of the first, for what is not here; each user has her own ``wire``. ``screenshots`` are
    those that were taken.
    """

    def __init__(self, members: Sequence[BrowserUser | ProtocolUser], whole: Users | None = None):
        self._members = list(members)
        self._whole = whole or self
        self.newcomer: Callable[[str], Awaitable[BrowserUser | ProtocolUser]] | None = None  # the experiment's
        self._notes: Notes = whole._notes if whole else Notes()
        self.screenshots: list[Screenshot] = whole.screenshots if whole else []

    @property
    def server(self):
        return self._members[0].server

    def __iter__(self) -> Iterator[BrowserUser | ProtocolUser]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> Users:
        found = [user for user in self._members if user.name == str(name)]
        if not found:
            names = ", ".join(user.name for user in self._members)
            raise InvalidOption(f"There is no user {name!r}.", advice=f"the users are: {names}.")
        return Users(found, self)

    async def _all(self, verb: str, *arguments) -> list:
        lacking = [user for user in self._members if not hasattr(user, verb)]
        if lacking:
            other = "no browser=True" if isinstance(lacking[0], BrowserUser) else "browser=True"
            raise InvalidOption(f"{verb}() is nothing that these users can do.", advice=f"give the experiment {other}.")
        return await asyncio.gather(*(getattr(user, verb)(*arguments) for user in self._members))

    async def enter(self, name: str) -> None:
        """Somebody comes later, to the server of the first."""
        if self._whole.newcomer is None:
            raise InvalidOption("The experiment is over.", advice="let users enter before it ends.")
        self._whole._members.append(await self._whole.newcomer(name))

    async def leave(self) -> None:
        """Close the pages. Who has left can still be noted: of her session the server tells."""
        await self._all("leave")

    # -- what they do -----------------------------------------------------------------------------------------------

    async def click(self, label: str) -> None:
        """Click the button with that label, and wait until the server has answered."""
        await self._all("click", label)

    async def begin(self, label: str) -> None:
        """Click it and wait for nothing: for work that takes long. Without a browser only."""
        await self._all("begin", label)

    async def fill(self, name: str, value) -> None:
        """Give the widget with that name a value, as by typing, and wait until the server has taken it."""
        await self._all("fill", name, value)

    async def click_notice(self) -> None:
        """Click the notice that asks for it. With a browser only."""
        await self._all("click_notice")

    async def reload(self) -> None:
        """Load the page again, which makes another session."""
        await self._all("reload")

    # -- what happens to them ---------------------------------------------------------------------------------------

    async def cut(self) -> None:
        """Break the wire; the next attempt finds it mended."""
        await self._all("cut")

    async def refuse(self) -> None:
        """Break the wire, and let nobody through until `restore`."""
        await self._all("refuse")

    async def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the servers with this signal and start them again at their addresses, as a deployment does."""
        await self._all("brace")
        servers = {id(user.server): user.server for user in self._members}.values()
        await asyncio.gather(*(asyncio.to_thread(server.restart, how) for server in servers))
        await self._all("lost")

    async def restore(self) -> None:
        """Let everybody through again."""
        for user in self._members:
            user.restore()

    async def reconnected(self) -> None:
        """Until each has a websocket again, and has been told of it.

        A page in a browser tries by itself, if the application wants that; without a browser an attempt is made.
        Raises VisitFailed for a page that has not come back after 20 seconds.
        """
        await self._all("reconnected")

    async def expired(self) -> None:
        """Until the server has let go of their sessions; raises VisitFailed if one does not end."""
        await self._all("expired")

    async def lifetime_passed(self) -> None:
        """Until every session that nobody used, and nothing blocks, has been discarded: a lifetime and three checks."""
        await self._all("lifetime_passed")

    async def pass_time(self, seconds: float) -> None:
        """Let time pass on the servers' clocks, at once: see `Server.pass_time`."""
        for server in {id(user.server): user for user in self._members}.values():
            await server.pass_time(seconds)

    async def logged(self, text: str, times: int = 1) -> None:
        """Until the server's log has a further line with that text, or so many, for each of them."""
        await self._all("logged", text, times)

    def log(self, text: str) -> list[str]:
        """The lines of the server's log with that text since the first came, each from the text on."""
        return self.server.log.told(text, self._members[0].came)

    async def token_expired(self) -> None:
        """Until the server does not take the tokens of their pages any more. With a browser only."""
        await self._all("token_expired")

    async def wait(self, seconds: float) -> None:
        """Let time pass on the pages: by their own clock, if the experiment has it in its hands (``clock=True``)."""
        await self._all("wait", seconds)

    async def wait_for(self, name: str, value) -> None:
        """Until the widget with that name shows the value, or one of which the function ``value`` says yes."""
        await self._all("wait_for", name, value)

    # -- what they see ----------------------------------------------------------------------------------------------

    async def note(self, *whats: str, at: str = "", **functions: Callable) -> None:
        """Note what each sees now, for the `table`; ``at`` names the moment.

        Parameters
        ----------
        whats : names of widgets; or ``"session"`` (the same in which she last did something, another, or ended),
            ``"blocks"`` (of its expiration), ``"log"`` (the line that `logged` found), and with a browser
            ``"attempts"`` (seconds from the loss of the wire to each attempt to reconnect), ``"notice"`` (the newest
            notification) and ``"console"`` (the first error since the wire was lost).
        functions : columns of your own: a function of the user, async or not, under the title.
        """
        columns: dict[str, str | Callable] = {**{what: what for what in whats}, **functions}
        seen = await asyncio.gather(*(user.note(what) for user in self._members for what in columns.values()))
        places = ((user, title) for user in self._members for title in columns)
        for (user, title), value in zip(places, seen, strict=True):
            self._notes.add(at, user.name, title.replace("_", " "), value)

    async def timeline(self) -> Timeline:
        """The lives of their sessions on the server of the first, with their names in place of numbers."""
        names = {await user.session_id(): user.name for user in self._members}
        whole = await asyncio.to_thread(self.server.probe.timeline)
        events = [{**e, "session": names[e["id"]]} for e in whole.events if e.get("id") in names]
        return dataclasses.replace(whole, events=tuple(events))

    def table(self) -> Table:
        """All that was noted."""
        return self._notes.table()

    async def screenshot(self, alt: str) -> Screenshot:
        """The page of the first, in a browser. ``alt`` says in words what it shows."""
        first = self._members[0]
        if not isinstance(first, BrowserUser):
            raise InvalidOption("There is no page to take a picture of.", advice="give the experiment browser=True.")
        shot = await first.tab.screenshot(alt=alt)
        self.screenshots.append(shot)
        return shot
