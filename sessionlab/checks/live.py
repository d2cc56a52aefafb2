"""The server of the audit as the reader serves it, and what is known of it while the checks run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sessionlab.checks.flags import Flags
from sessionlab.checks.rules import Finding
from sessionlab.checks.source import Source
from sessionlab.client.scenario import Scenario
from sessionlab.errors import SessionLabError
from sessionlab.server import Server, serve


@dataclass(frozen=True)
class Settings:
    """What the server works with; durations in seconds.

    ``login`` tells whether it asks who comes. ``address`` is where a program of its own wanted to listen (empty: on
    every interface), None where flags say it.
    """

    lifetime: float
    check: float
    token_expiration: float
    keep_alive: float
    origins: tuple[str, ...]
    prefix: str
    login: bool
    routes: tuple[str, ...]
    fastapi: bool
    address: str | None

    @property
    def latest(self) -> float:
        """Seconds after which a session without a connection is gone for certain."""
        return self.lifetime + self.check


@dataclass
class Bench:
    """What every group of checks is given.

    Attributes
    ----------
    apps, flags, framework, command, env : what is served, and how.
    scenario : what visitors do. sources : the application's files.
    wanted : ids of the checks to do; findings : what they came to, by id.
    memory : bytes that a process may take. deadline : monotonic seconds at which the audit has to be over;
        ``patience`` are the seconds that one step of it may take.
    settings : of the running server, and ``page``: what it told the first visitor's page. Known once it runs.
    """

    apps: list[str]
    flags: Flags
    framework: str | None
    command: str | Sequence[str] | None
    env: Mapping[str, str]
    scenario: Scenario
    sources: tuple[Source, ...]
    wanted: tuple[str, ...]
    memory: float
    deadline: float
    patience: float
    browser: bool
    tell: Callable[[str], None]
    findings: dict[str, Finding] = field(default_factory=dict)
    settings: Settings = field(init=False)
    page: dict = field(default_factory=dict)

    def wants(self, *names: str) -> bool:
        return any(name in self.wanted for name in names)

    def found(self, name: str, status: str, measured: str, advice: str = "") -> None:
        if name in self.wanted:
            self.findings[name] = Finding(status, measured, advice)

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def serve(self, *, flags: Iterable[str] | None = None, env: Mapping[str, str] | None = None, **options) -> Server:
        """A server of the reader's application with the reader's flags, or with ``flags`` in their place.

        ``env`` comes on top of the reader's environment.
        """
        server = serve(
            self.apps,
            command=self.command,
            framework=self.framework,
            panel_args=list(self.flags.served if flags is None else flags),
            env={**self.env, **(env or {})},
            ready_timeout=min(self.patience, max(5.0, self.left)),
            preload=False,  # what is measured starts as it does in production
            **options,
        )
        server.probe.timeout = 30.0
        try:
            server.probe.extend("audited")
        except BaseException:
            server.stop()
            raise
        return server

    async def visit(self, url: str):
        """A session without a browser, as the scenario opens it."""
        return await self.scenario.enter(url)

    async def step(self, names: Iterable[str], work: Callable[[], Awaitable], seconds: float | None = None):
        """Do ``work`` if one of ``names`` is wanted; what cannot be measured is skipped, with the reason.

        It may take ``seconds``; by default those of `patience`.
        """
        names = [name for name in names if self.wants(name)]
        if not names:
            return
        try:
            async with asyncio.timeout(max(1.0, min(seconds or self.patience, self.left))):
                await work()
        except SessionLabError as error:
            self.skip(names, error.what)
        except TimeoutError:
            self.skip(names, "There was no answer in time.")

    def skip(self, names: Iterable[str], reason: str) -> None:
        for name in names:
            if name in self.wanted:
                self.findings.setdefault(name, Finding("skipped", reason))


async def asked(function: Callable, *arguments, **options):
    """A question to the probe, which is synchronous, without holding up the event loop."""
    return await asyncio.to_thread(function, *arguments, **options)


async def until(condition: Callable[[], object], seconds: float, every: float = 0.1):
    """What ``condition`` gives, asked in a thread again and again until it is true; or its answer after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await asyncio.to_thread(condition)
        if answer or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(every)


async def clock(until: float) -> None:
    """Wait until the real clock says ``until`` (seconds since the epoch), to which tokens are bound."""
    await asyncio.sleep(max(0.0, until - time.time()))


def duration(seconds: float) -> str:
    """``0.3 s``, ``32 s``, ``5 min``, ``24 h``."""
    if seconds < 180:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
