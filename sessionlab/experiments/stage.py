"""Begin an experiment: start the servers, let the users come; at its end let them leave, and stop the servers.

async with experiment("app.py", mode=["off", "on"], browser=True) as users:
    await users.click("Count one")
    await users.refuse()
    await users.wait(3)
    await users.note("attempts", "notice")

users.table()
"""

from __future__ import annotations

import asyncio
import dataclasses
import weakref
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

from sessionlab.client.browser import Browser
from sessionlab.errors import InvalidOption, NoBrowser
from sessionlab.experiments.plans import App, Plan, plans
from sessionlab.experiments.user import BrowserUser, ProtocolUser
from sessionlab.experiments.users import Users
from sessionlab.server import Server, serving

# one Chromium serves all experiments of an event loop; it ends with the process
_browsers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Browser] = weakref.WeakKeyDictionary()


def experiment(
    app: App | Sequence[App],
    *,
    users: Sequence[str] = (),
    browser: bool = False,
    clock: bool = False,
    login: str = "",
    name: str = "",
    **settings,
) -> Experiment:
    """An experiment with ``app``: an async context manager that gives its `Users`.

    Parameters
    ----------
    app : as for `serve`; a list is compared: one user for each.
    users : names of several who visit the same server.
    browser : each has a page in a real browser; else they speak Bokeh's protocol, which is faster.
    clock : the pages' clocks are walked by `Users.wait`, and do not go by themselves. With a browser only.
    login : the password with which each logs in, under the first word of her name. Without a browser only.
    name : what the experiment is called: a course keeps its recording under that name.
    settings : options of `serve`; everything else is the query of the page. A list is compared: one user for each
        value, on a server of her own if it is an option of the server. ``panel_args`` takes a list of lists then.

    Raises what `serve` and `visit` raise, NoBrowser, and InvalidOption when two things are to be compared at once.
    Nothing is left running then.
    """
    if clock and not browser:
        raise InvalidOption(
            "clock=True is for pages in a browser.", advice="give browser=True as well, or leave it out."
        )
    if login and browser:
        raise InvalidOption("login= is for users without a browser.", advice="leave browser=True out.")
    return Experiment(plans(app, users, settings, login), browser, clock, name)


class Recorder(Protocol):
    """Keeps what experiments showed, for machines without a browser: see `sessionlab.course`."""

    def replay(self, name: str, error: NoBrowser) -> Any: ...  # in the place of `Users`
    def record(self, name: str, users: Users) -> None: ...


class Experiment:
    """What `experiment` returns."""

    recorder: Recorder | None = None

    def __init__(self, plans: list[Plan], browser: bool, clock: bool, name: str):
        self.plans, self.browser, self.clock, self.name = plans, browser, clock, name
        self._stack = AsyncExitStack()
        self._servers: list[tuple[Plan, Server]] = []
        self._users: Users | None = None

    async def __aenter__(self) -> Users:
        try:
            browser = await _shared() if self.browser else None
        except NoBrowser as error:
            if self.recorder is None:
                raise
            return self.recorder.replay(self.name, error)
        try:
            await _each(self._serve(plan) for plan in self._different())
            self._users = Users(await _each(self._enter(plan, browser) for plan in self.plans))
            self._users.newcomer = lambda name: self._enter(dataclasses.replace(self.plans[0], name=name), browser)
        except BaseException:
            await self._stack.aclose()
            raise
        return self._users

    async def __aexit__(self, kind, *_) -> None:
        if self._users:
            self._users.newcomer = None
        await self._stack.aclose()
        if kind is None and self.browser and self.recorder and self._users:
            self.recorder.record(self.name, self._users)

    def _different(self) -> list[Plan]:
        """One plan for each server."""
        found: list[Plan] = []
        for plan in self.plans:
            if not any(plan.same_server(other) for other in found):
                found.append(plan)
        return found

    async def _serve(self, plan: Plan) -> None:
        server = await self._stack.enter_async_context(serving(plan.app, **plan.options))
        self._servers.append((plan, server))

    async def _enter(self, plan: Plan, browser: Browser | None) -> BrowserUser | ProtocolUser:
        server = next(server for other, server in self._servers if plan.same_server(other))
        user: BrowserUser | ProtocolUser
        if browser is None:
            user = ProtocolUser(plan, server)
            coming = user.come()
        else:
            user = BrowserUser(plan, server)
            coming = user.come(browser, self.clock)
        self._stack.callback(user.wire.close)
        await coming
        self._stack.push_async_callback(user.leave)
        return user


async def _each(coroutines: Iterable[Awaitable]) -> list:
    """All at once; the first error is raised when none is under way any more, so that what came can leave."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def _shared() -> Browser:
    loop = asyncio.get_running_loop()
    if loop not in _browsers:
        _browsers[loop] = await Browser().start()
    return _browsers[loop]
