"""Start an application as a real server in a process of its own, and never leave it behind.

    with serve("app.py", lifetime=2, check=0.5) as server:
        print(server.url)

    async with serving("app.py") as server:  # the event loop goes on meanwhile
        ...

The server is ``panel serve``, ``bokeh serve``, a program that serves by itself, or any other command (``starts.py``).
It ends when the lab ends, however that happens (``child.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import gzip
import inspect
import json
import os
import secrets
import shlex
import signal
import sys
import time
import urllib.error
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil

from sessionlab.agent.where import FUNCTION
from sessionlab.child import Child
from sessionlab.errors import (
    AppFailed,
    AppNotFound,
    InvalidOption,
    ServerGone,
    ServerNotReady,
    SessionLabError,
    UnknownOption,
)
from sessionlab.log import Log
from sessionlab.loopback import HOST, opener
from sessionlab.probe.client import Probe
from sessionlab.programs import Way, way_of
from sessionlab.starts import MODULE_FUNCTION, ByCommand, ByFramework, Start, words_of

FUNCTION_APP = Path(__file__).parent / "agent" / "function_app.py"
FRAMEWORKS = ("panel", "bokeh", "program", "fastapi")
# option of `serve` -> flag of the server, how seconds are written there, and the option of Bokeh's server
DURATIONS = {
    "lifetime": ("--unused-session-lifetime", 1000, "unused_session_lifetime_milliseconds"),
    "check": ("--check-unused-sessions", 1000, "check_unused_sessions_milliseconds"),
    "keep_alive": ("--keep-alive", 1000, "keep_alive_milliseconds"),
    "token_expiration": ("--session-token-expiration", 1, "session_token_expiration"),
}


def serve(
    app: str | os.PathLike | Sequence[str | os.PathLike] = (),
    *,
    command: str | Sequence[str] | None = None,
    lifetime: float | None = None,
    check: float | None = None,
    token_expiration: float | None = None,
    keep_alive: float | None = None,
    port: int = 0,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    env: dict[str, str] | None = None,
    ready_timeout: float = 60.0,
    elements: bool = False,
    preload: bool | None = None,
    **unknown,
) -> Server:
    """Start ``app`` on a loopback port and return when it answers.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a list of these; or a program that serves
        by itself, with ``pn.serve``, ``.show()``, ``Server(...)`` or ``uvicorn.run``. Not needed with a ``command``.
    command : starts the application instead, such as ``"uvicorn app:api --port {port}"``: for ``{port}`` stands a free
        one then; without it, whatever port of this machine the command opens is found.
    lifetime : seconds that a session without a connection is kept (``--unused-session-lifetime``).
    check : seconds between two looks for such sessions (``--check-unused-sessions``).
    token_expiration : whole seconds that the token in a page is accepted (``--session-token-expiration``).
    keep_alive : seconds between two pings on a websocket (``--keep-alive``).
    port : a port of your choice; by default the operating system chooses a free one.
    framework : ``"panel"`` or ``"bokeh"``: which command serves; ``"program"`` runs the script by Python, and
        ``"fastapi"`` its FastAPI application by uvicorn. By default its source says it: `sessionlab.programs.way_of`.
    panel_args : further arguments of ``panel serve`` or ``bokeh serve``, as on the command line; or of the program.
    env : environment variables for the server, besides those of this process.
    ready_timeout : seconds that the server may take until its first page is built.
    elements : log every element, Panel object and model from the start: see ``server.probe.elements()``.
    preload : fork the server out of a process that has imported Panel, which starts it in a tenth of the time (Linux;
        elsewhere it starts cold). Not for what is measured: memory, censuses, hunts. By default what
        the environment says: ``SESSIONLAB_PRELOAD=1``.

    Options that are None keep the default of the framework. The first page is asked for once, so that an
    application that cannot run is an error here and not a page of the visitor; that session is discarded.

    Raises
    ------
    AppNotFound, AppFailed (with the application's traceback), UnknownOption, InvalidOption, PortTaken,
    ServerNotReady. In every case nothing is left running.
    """
    if unknown:
        raise _unknown_option(next(iter(unknown)))
    if framework not in (None, *FRAMEWORKS):
        raise InvalidOption(f"framework={framework!r} is not known.", advice=f"use one of {', '.join(FRAMEWORKS)}.")
    durations = dict(lifetime=lifetime, check=check, keep_alive=keep_alive, token_expiration=token_expiration)
    apps = [app] if isinstance(app, str | os.PathLike) else list(app)
    targets, extra_env = _targets(apps)
    environment = {**extra_env, **({"SESSIONLAB_ELEMENTS": "1"} if elements else {}), **(env or {})}
    preload = os.environ.get("SESSIONLAB_PRELOAD") == "1" if preload is None else preload
    way = way_of(apps, panel_args)
    if framework and framework != way.framework:
        way = Way(framework, "it was asked for", way.name)
    start: Start
    if command is not None:
        way = Way("command", shlex.join(words_of(command)))
        start = ByCommand([*words_of(command), *map(str, panel_args)], _tornado(durations), own_port=True)
    elif not apps:
        raise InvalidOption("There is nothing to serve.", advice="give an application, or a command that starts one.")
    elif way.framework in ("program", "fastapi"):
        words = [sys.executable, *targets] if way.framework == "program" else _uvicorn(targets[0], way)
        start = ByCommand([*words, *map(str, panel_args)], _tornado(durations), own_port=False)
    else:
        start = ByFramework(way.framework, targets, [*_flags(durations), *map(str, panel_args)])
    names = [str(a) for a in apps] or [way.why]
    return Server(start, way, names, environment, port, ready_timeout, preload)


@contextlib.asynccontextmanager
async def serving(app: str | os.PathLike | Sequence[str | os.PathLike] = (), **options) -> AsyncIterator[Server]:
    """`serve` for code that runs beside other code: neither the start nor the end holds up the event loop.

    Parameters, options and errors are those of `serve`.
    """
    server = await asyncio.to_thread(serve, app, **options)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


def _unknown_option(name: str) -> UnknownOption:
    options = list(inspect.signature(serve).parameters)[1:-1]
    names = {flag.strip("-").replace("-", "_"): option for option, (flag, _, _) in DURATIONS.items()}
    names |= {option: option for option in options}
    near = difflib.get_close_matches(name, names, n=1)
    return UnknownOption(
        f"serve() has no option {name!r}.",
        why="pn.serve() would swallow it without a word and keep its default.",
        advice=f"did you mean {names[near[0]]!r}? Durations are in seconds here."
        if near
        else f"the options are {', '.join(options)}.",
    )


def _uvicorn(target: str, way: Way) -> list[str]:
    path = Path(target)
    module = f"{path.stem}:{way.name or 'app'}"
    return [sys.executable, "-m", "uvicorn", module, "--app-dir", str(path.parent), "--log-level", "warning"]


def _numbers(durations: dict[str, float | None]) -> dict[str, int]:
    """The durations that are given, as the server counts them."""
    numbers = {}
    for name, seconds in durations.items():
        if seconds is None:
            continue
        flag, per_second, _ = DURATIONS[name]
        number = round(seconds * per_second) if isinstance(seconds, int | float) else -1
        least = 0 if name == "keep_alive" else 1
        if number < least:
            raise InvalidOption(
                f"{name}={seconds!r} cannot be used.",
                why=f"{flag} takes a whole number of {'milli' * (per_second == 1000)}seconds of at least {least}.",
                advice="give seconds, as a number.",
            )
        numbers[name] = number
    return numbers


def _flags(durations: dict[str, float | None]) -> list[str]:
    return [word for name, number in _numbers(durations).items() for word in (DURATIONS[name][0], str(number))]


def _tornado(durations: dict[str, float | None]) -> dict[str, int]:
    return {DURATIONS[name][2]: number for name, number in _numbers(durations).items()}


def _targets(apps: Sequence[str | os.PathLike]) -> tuple[list[str], dict[str, str]]:
    """What stands on the command line for ``apps``, and the environment that it needs."""
    targets, environment = [], {}
    for app in map(str, apps):
        if Path(app).exists():
            targets.append(str(Path(app)))
        elif MODULE_FUNCTION.fullmatch(app):
            targets.append(str(FUNCTION_APP))
            environment = {FUNCTION: app, "SESSIONLAB_IMPORT_FROM": os.getcwd()}
        else:
            folder = Path(app).parent
            near = difflib.get_close_matches(Path(app).name, os.listdir(folder) if folder.is_dir() else [], n=1)
            raise AppNotFound(
                f"There is no application {app!r}.",
                why=f"Looked in the folder {folder.resolve()}." if folder.is_dir() else f"There is no folder {folder}.",
                advice=(f"did you mean {str(folder / near[0])!r}? " if near else "")
                + "An application is a script, a directory, a notebook, or module:function.",
            )
    return targets, environment


class Server:
    """A served application. Made by `serve`; ends with its ``with`` block, with `stop`, or with this process.

    Attributes
    ----------
    url : address of the (first) application's page; ``urls`` maps every route to its address.
    origin : ``http://127.0.0.1:PORT``.
    port, pid : of the server's own process.
    log : a `sessionlab.log.Log` with the lines that the server wrote.
    probe : a `sessionlab.probe.client.Probe` that looks into the process: census, sessions, timeline, elements.
    first_page : seconds that the first page took, with all that it imports; of several, all of them.
    way : how it is served, and why: a `sessionlab.programs.Way`.
    """

    def __init__(self, start: Start, way: Way, apps, environment, port, ready_timeout, preload=False):
        self._how, self.way, self.apps = start, way, apps
        self._environment, self._ready_timeout, self._preload = environment, ready_timeout, preload
        self._token = secrets.token_urlsafe(16)  # kept over a restart, so that whoever watches goes on watching
        self._start(port)

    # -- life ---------------------------------------------------------------------------------------------

    def _start(self, port: int) -> None:
        command = self._how.command(port)
        environment = {**self._how.environment(self._environment), "SESSIONLAB_PROBE_TOKEN": self._token}
        self._child = Child(command, environment, self._preload)
        deadline = time.monotonic() + self._ready_timeout
        try:
            try:
                opened = self._how.opened(self._child, self._token, deadline, port)
            except ServerNotReady as failed:
                raise failed if failed.why else self._not_ready(failed.what) from None
            self.port, self.urls, self.url = opened.port, opened.urls, self._how.first(opened.urls)
            self.origin = f"http://{HOST}:{self.port}"
            self.probe = Probe(opened.agent, self._token)
            began = time.monotonic()
            self._wait_for_first_page(deadline)
            self.first_page = time.monotonic() - began
            with contextlib.suppress(SessionLabError):  # a server that is busy already is a server
                self.probe.discard_unused()
                self.probe.reset()
        except BaseException:
            self._child.release()
            raise

    def _wait_for_first_page(self, deadline: float) -> None:
        browser = opener()
        for url in self.urls.values():
            try:
                with browser.open(url, timeout=max(0.1, deadline - time.monotonic())) as page:
                    page.read()
            except urllib.error.HTTPError as error:
                # A page that asks for credentials is ready; one that failed is not.
                if error.code >= 500:
                    self._read_all_that_was_said()
                    raise self._app_failed(self.log.tail(30)) from None
            except (TimeoutError, urllib.error.URLError, ConnectionError):
                # The connection breaks a moment before the guard has seen the process end.
                if self.log.wait_for_event("exit", timeout=min(1.0, max(0.0, deadline - time.monotonic()))):
                    raise self._app_failed(self.log.tail(30) + "\n(The process ended.)") from None
                raise self._not_ready("The first page was not built in time.") from None
            self._read_all_that_was_said()
            if failures := self.log.events("app-failed"):
                raise self._app_failed(failures[0]["detail"] or failures[0]["error"])

    def _read_all_that_was_said(self) -> None:
        """The page is there before the log, which comes through a pipe; a server that is busy is not waited for."""
        patience, self.probe.timeout = self.probe.timeout, 2.0
        with contextlib.suppress(SessionLabError, TimeoutError):
            self.read_log(timeout=1.0)
        self.probe.timeout = patience

    def _app_failed(self, why: str) -> AppFailed:
        return AppFailed(
            f"{', '.join(self.apps)} could not be run.",
            why=why,
            advice="mend the error that the traceback ends with, then start again.",
        )

    def _not_ready(self, what: str) -> ServerNotReady:
        if hasattr(signal, "SIGUSR1") and self.log.events("listening"):
            # faulthandler in the served process answers with the line on which every thread stands
            with contextlib.suppress(SessionLabError, OSError, TimeoutError):
                self.kill(signal.SIGUSR1)
                self.log.wait_for("in _run_module_as_main", timeout=2.0)  # the outermost call is told last
        return ServerNotReady(
            f"{what} ({self._ready_timeout:g} s)",
            why=self.log.tail(30) or "It wrote nothing.",
            advice="look at the last lines for what it waits for, or give it more time with ready_timeout=….",
        )

    def restart(self, how: signal.Signals = signal.SIGTERM, timeout: float = 10.0) -> None:
        """End the server with signal ``how`` and start it again on the same port, with an empty log.

        One that has ended by itself, or was killed, is only started. ``timeout`` are the seconds that it may take to
        end, which is long where it drains.
        """
        with contextlib.suppress(ServerGone):
            self.kill(how)
        self.wait(timeout)
        self._child.release()
        self._start(self.port)

    def twin(self) -> Server:
        """A second server of the same application with the same options, on a port of its own."""
        environment, timeout = self._environment, self._ready_timeout
        return Server(self._how.anew(), self.way, self.apps, environment, 0, timeout, self._preload)

    def kill(self, how: signal.Signals | int = signal.SIGTERM) -> None:
        """Send the server's process the signal ``how``, and only that: see `wait` and `stop`."""
        self._child.kill(how)

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code of the server's process, waited for; minus the signal's number when one ended it."""
        return self._child.wait(timeout)

    def stop(self) -> None:
        """Ask the server to end, then make sure that it and everything it started is gone. May be called twice."""
        self._child.stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    # -- look ---------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass for the served process, at once.

        Its timers fire, tasks wake from ``asyncio.sleep``, sessions without a connection age, and the server looks for
        unused ones. From the first call on sessions age by these seconds only. A thread that sleeps, a token and
        ``datetime.now()`` know nothing of it.
        """
        self.probe.extend("clock")
        self.probe.ask("POST", "pass_time", seconds=seconds, patience=60)

    def dump(self, file: str | os.PathLike) -> None:
        """Write all that is known of the server now into ``file``, as gzipped JSON: for a bug report.

        ``hello`` (versions, workers), ``census``, ``sessions``, ``timeline``, ``elements`` (if they are recorded) and
        ``log``. No cookie and no header is in it; addresses and what the application has printed are. Raises OSError if
        the file cannot be written, and what the probe raises; no file is left then.
        """
        hello = self.probe.hello()
        known = {
            "hello": hello,
            "census": self.probe.census(types=True).to_dict(),
            "sessions": [session.to_dict() for session in self.probe.sessions()],
            "timeline": self.probe.timeline().to_dict(),
            "elements": self.probe.elements().to_dict() if hello["elements"] else None,
            "log": self.read_log(),
        }
        Path(file).write_bytes(gzip.compress(json.dumps(known, default=str).encode()))

    def read_log(self, timeout: float = 5.0) -> list[str]:
        """The lines of `log`, when all that the server has said so far has come through its pipe."""
        self.probe.extend("log_mark")
        number = len(self.log.events("log-mark")) + 1
        if self.probe.ask("POST", "log", number=number)["heard"]:
            self.log.wait_for_event("log-mark", timeout=timeout, number=number)
        return self.log.lines

    @property
    def log(self) -> Log:
        return self._child.log

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.alive

    @property
    def processes(self) -> list[psutil.Process]:
        """Every live process that the server started or left behind, its own included."""
        return self._child.processes

    def __repr__(self) -> str:
        return f"<Server {self.url} {'running' if self.alive else 'ended'}>"
