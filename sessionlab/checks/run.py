"""An audit from its begin to its end: which servers are started, and what is measured at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from sessionlab.checks import endings, flags, leak, outages, reading, serving, sessions, state
from sessionlab.checks.live import Bench, Settings, asked
from sessionlab.checks.result import AuditResult
from sessionlab.checks.rules import RULES, Finding, chosen
from sessionlab.checks.source import read_app
from sessionlab.client.scenario import Scenario
from sessionlab.errors import AppFailed, InvalidOption, NeedsCredentials, NoBrowser, SessionLabError
from sessionlab.leaks.preflight import explained
from sessionlab.sync import run as run_coroutine

STATIC = {"leak.caches": reading.caches}
HUNT = 70.0  # seconds at most for the hunt, which runs beside everything else


def audit(
    app: str | os.PathLike | Sequence[str | os.PathLike] = (),
    *,
    command: str | Sequence[str] | None = None,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    memory: float = 1e9,
    max_seconds: float = 110.0,
    scenario: str | os.PathLike | Scenario | None = None,
    interact: bool = True,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    browser: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> AuditResult:
    """Serve ``app`` as its users get it, visit it, disturb it, end it, and judge what happened.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a list of these; or a program that serves.
    command : starts the application instead, as for `sessionlab.serve`. Give ``app`` as well where the source is to be
        read.
    only, skip : checks (``"reconnect.token"``) or groups of them (``"reconnect"``) to do, or to leave out.
    memory : bytes that the process may take where it is deployed.
    max_seconds : seconds after which the audit ends; what was not measured by then is skipped.
    scenario : a scenario file or a `Scenario`: what each visitor does, and how he says who he is.
    interact : False leaves everything untouched. By default the widgets are used, and what they do is done.
    framework : ``"panel"``, ``"bokeh"`` or ``"program"``; by default told from the application's source.
    panel_args : the arguments of ``panel serve`` with which the application is deployed. Those that concern the port,
        the address and the number of processes are judged, but not served.
    env : environment variables for the server, besides those of this process.
    browser : False measures reconnects without a browser, although there is one.
    progress : called with what is going on and the part of the checks that is done.

    Raises a SessionLabError when the application could not be run; nothing is left behind then.
    """
    if not max_seconds > 0:
        raise InvalidOption(f"max_seconds={max_seconds:g} cannot be used.", advice="give seconds, more than zero.")
    if not memory > 0:
        raise InvalidOption(f"memory={memory:g} cannot be used.", advice="give bytes, more than zero.")
    only, skip = ([names] if isinstance(names, str) else names for names in (only, skip))
    wanted = chosen(only, skip)
    if not isinstance(scenario, Scenario):
        scenario = Scenario.load(scenario, interact) if scenario else Scenario.default(interact)
    own = flags.read(panel_args)
    apps = [*([app] if isinstance(app, str | os.PathLike) else app), *own.apps]
    began = time.monotonic()
    told = _Telling(wanted, progress)
    bench = Bench(
        apps=list(map(str, apps)),
        flags=own,
        framework=framework,
        command=command,
        env=env or {},
        scenario=scenario,
        sources=read_app(apps),
        wanted=wanted,
        memory=memory,
        deadline=began + max_seconds,
        patience=max(40.0, 0.4 * max_seconds),
        browser=browser and not scenario.says_who,
        tell=told,
    )
    told.bench = bench
    work = _Audit(bench)
    versions = run_coroutine(work.run())
    checks = tuple(RULES[name].check(bench.findings.get(name) or _silent(name)) for name in wanted)
    return AuditResult(
        ", ".join(bench.apps), checks, time.monotonic() - began, versions, tuple(map(str, panel_args)), work.notes
    )


def _silent(name: str) -> Finding:
    return Finding("skipped", "It could not be measured.")


class _Telling:
    """Progress: how many of the wanted checks are done, and what is going on."""

    def __init__(self, wanted, progress):
        self._wanted, self._progress, self.bench = wanted, progress, None

    def __call__(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, len(self.bench.findings) / len(self._wanted))


class _Audit:
    def __init__(self, bench: Bench):
        self.bench = bench
        self.notes: tuple[str, ...] = ()

    async def run(self) -> dict:
        """Do every wanted check; returns the versions of the server."""
        bench = self.bench
        for name, look in STATIC.items():
            if bench.wants(name):
                bench.findings[name] = look(bench.sources)
        if bench.wants("options.known"):
            environment = {**os.environ, **bench.env}
            bench.findings["options.known"] = await asked(reading.options, bench.sources, environment)
        if not set(bench.wanted) - {*STATIC, "options.known"} and all(map(os.path.exists, bench.apps)):
            return {}
        bench.tell("serving")
        with await asked(bench.serve) as server:
            try:
                settings = await asked(server.probe.ask, "GET", "settings")
                known = Settings.__dataclass_fields__
                bench.settings = Settings(**{name: _frozen(settings[name]) for name in known})
                bench.page, built = await serving.first_visit(bench, server)
                versions = (await asked(server.probe.hello))["versions"]
            except SessionLabError as error:
                raise self._cause(server, error) from error
            async with asyncio.TaskGroup() as group:
                group.create_task(leak.run(bench, HUNT))
                group.create_task(self._here(server, built))
                group.create_task(self._in_pages())
                if bench.wants("server.processes") and bench.flags.judged.get("--num-procs", "1") != "1":
                    group.create_task(serving.several_processes(bench))
        bench.tell("done")
        return versions

    def _cause(self, server, error: SessionLabError) -> BaseException:
        settings = getattr(self.bench, "settings", None)  # known once the server has answered
        if settings is not None and settings.login and not self.bench.scenario.says_who:
            return NeedsCredentials(
                f"{', '.join(self.bench.apps)} asks who comes.",
                why=str(error),
                advice="say who comes: --login USER:PASSWORD (or --login-file), --header or --cookie; "
                "or audit it without the login.",
            )
        return error if isinstance(error, AppFailed) else explained(server, error)

    async def _here(self, server, built: float) -> None:
        """What one server can tell, in turn: the last thing is its end."""
        await serving.run(self.bench, server, built)
        await sessions.run(self.bench, server)
        self.notes = await asked(server.probe.faults)
        if self.bench.wants(*endings.HOOKS, "leak.notifications"):
            await endings.run(self.bench, server)

    async def _in_pages(self) -> None:
        """What takes a page that reconnects, or is loaded again: a browser, if there is one."""
        bench = self.bench
        if not bench.wants(*outages.CHECKS, "reconnect.token", state.NAME):
            return
        async with contextlib.AsyncExitStack() as stack:
            needed = bench.wants(state.NAME) or outages.reconnects(bench)
            browser = await self._browser(stack) if needed else None
            async with asyncio.TaskGroup() as group:
                group.create_task(outages.run(bench, browser))
                group.create_task(outages.token(bench, browser))
                group.create_task(state.run(bench, browser))

    async def _browser(self, stack):
        if not self.bench.browser:
            return None
        from sessionlab.client.browser import Browser

        self.bench.tell("starting a browser")
        try:
            return await stack.enter_async_context(Browser())
        except NoBrowser:
            return None


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value
