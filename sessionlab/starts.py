"""The ways in which an application is started, and where its server is found then.

`ByFramework` is ``panel serve`` or ``bokeh serve``, which tells its port. `ByCommand` is a program that serves by
itself, or any other command: the ports that its processes open are asked until an agent answers
(``agent/attach.py`` has put it there).
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import shlex
import sys
import sysconfig
import threading
import time
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from sessionlab.agent.attach import SETTINGS
from sessionlab.agent.where import FUNCTION
from sessionlab.child import Child
from sessionlab.errors import (
    AppFailed,
    InvalidOption,
    PortTaken,
    ServerNotReady,
    SessionLabError,
    UnknownOption,
)
from sessionlab.loopback import HOST, free_port, opener
from sessionlab.probe.client import Probe

HERE = Path(__file__).parent
MODULE_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
STRANGE = 10.0  # seconds that a port may be open without an agent in its process
TRACKER = "resource_tracker"  # of multiprocessing: a child of the process that supervises, and no worker
EVERY = threading.Event()  # nobody sets it: it only waits


class Opened(NamedTuple):
    """A server that listens: its ``port``, the addresses of its pages by route, and where its agent is asked."""

    port: int
    urls: dict[str, str]
    agent: str


class ByFramework:
    """``panel serve`` or ``bokeh serve`` of ``targets``, with further ``flags``."""

    def __init__(self, framework: str, targets: Sequence[str], flags: Sequence[str]):
        self.framework, self.targets, self.flags = framework, targets, flags

    def anew(self) -> ByFramework:
        """The same start, of another server."""
        return self

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return dict(given)

    def command(self, port: int) -> list[str]:
        launch = [sys.executable, "-P", "-m", "sessionlab.agent.launch", self.framework, "serve", *self.targets]
        return [*launch, "--address", HOST, "--port", str(port), *self.flags]

    def opened(self, child: Child, token: str, deadline: float, port: int) -> Opened:
        """Wait until it listens. Raises what keeps it from that."""
        event = child.log.wait_for_event("listening", "exit", timeout=deadline - time.monotonic())
        if event is None:
            raise ServerNotReady("The server did not open its port in time.")
        if event["event"] == "exit":
            child.log.wait_for_end(1.0)
            raise self._ended_early(child.log.tail(30), event["code"], port)
        origin = f"http://{HOST}:{event['port']}"
        return Opened(event["port"], {route: origin + event["prefix"] + route for route in event["routes"]}, origin)

    def first(self, urls: Mapping[str, str]) -> str:
        """The address of the page that is meant when none is named."""
        return urls.get("/" + Path(self.targets[0]).stem) or next(iter(urls.values()))

    def _ended_early(self, text: str, code: int, port: int) -> SessionLabError:
        if "already in use" in text:
            return PortTaken(
                f"Port {port} is taken.", advice="leave `port` out, and the operating system chooses a free one."
            )
        if unrecognised := re.search(r"unrecognized arguments: (.*)", text):
            return UnknownOption(
                f"`{self.framework} serve` does not know {unrecognised[1]}.",
                advice=f"`{self.framework} serve --help` lists its options.",
            )
        if "Error loading" in text:
            return AppFailed(
                f"{', '.join(self.targets)} could not be run.",
                why=text,
                advice="mend the error that the traceback ends with, then start again.",
            )
        return ServerNotReady(
            f"The server ended before it was ready, with exit code {code}.",
            why=text or "It wrote nothing.",
            advice=f"run `{self.framework} serve` with the same arguments in a terminal.",
        )


class ByCommand:
    """A command that starts a server: ``words`` as on a command line, ``{port}`` in them stands for a free port.

    ``tornado`` are options of Bokeh's server that override the program's. ``own_port`` False gives the program's
    server a port of the lab's instead of the one that it asks for.
    """

    def __init__(self, words: Sequence[str], tornado: Mapping[str, int], own_port: bool):
        self.words, self.tornado, self.own_port = list(words), dict(tornado), own_port
        self.shown = shlex.join(self.words)
        self._port = self._agent = 0  # the agent keeps its port over a restart, as the server does

    def anew(self) -> ByCommand:
        """The same start, of another server: on ports of its own."""
        return ByCommand(self.words, self.tornado, self.own_port)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The variables of the command: the lab's way in, and the scripts of this Python's environment first."""
        variables = {**os.environ, **given}
        entry = [str(HERE / "agent" / "entry"), *filter(None, [variables.get("PYTHONPATH")])]
        path = [sysconfig.get_path("scripts"), *filter(None, [variables.get("PATH")])]
        wanted = {"tornado": self.tornado, "port": None if self.own_port else self._port, "agent": self._agent}
        served = next((w for w in self.words if MODULE_FUNCTION.fullmatch(w)), "")
        if not served and "-m" in self.words[:-1]:
            served = f"{self.words[self.words.index('-m') + 1]}:main"
        known = {FUNCTION: served} if served else {}  # where it is installed, it is the application all the same
        own = {"PYTHONPATH": os.pathsep.join(entry), "PATH": os.pathsep.join(path), SETTINGS: json.dumps(wanted)}
        return {**given, **known, **own}

    def command(self, port: int) -> list[str]:
        self._port = port or (free_port() if any("{port}" in word for word in self.words) else 0)
        return [word.replace("{port}", str(self._port)) for word in self.words]

    def opened(self, child: Child, token: str, deadline: float, port: int) -> Opened:
        """Wait until a process of the command listens and its agent answers. Raises what keeps it from that."""
        strangers: dict[int, float] = {}  # port -> since when it is open without an answer
        while True:
            ended = child.log.events("exit")
            listening = _listening(child)
            agents = {port: hello for port in listening if (hello := _hello(port, token)) is not None}
            if agents and (found := self._pages(agents, set(listening) - set(agents))):
                workers = _workers(child, found.port, agents[urlsplit(found.agent).port or 0]["pid"])
                if (number := max(workers, listening.get(found.port, 0) - 1)) > 1:  # one of them supervises
                    raise self._several(number)
                self._agent = urlsplit(found.agent).port or 0
                return found
            if ended:
                child.log.wait_for_end(0.5)
                raise self._ended(child, ended[0]["code"])
            now = time.monotonic()
            strangers = {port: strangers.get(port, now) for port in set(listening) - set(agents)}
            if now > deadline or (strangers and not agents and now - min(strangers.values()) > STRANGE):
                raise self._not_found(child, sorted(strangers), bool(agents))
            EVERY.wait(0.1)

    def first(self, urls: Mapping[str, str]) -> str:
        """The address of the page that is meant when none is named."""
        return next(iter(urls.values()))

    def _pages(self, agents: dict[int, dict], others: set[int]) -> Opened | None:
        """The server that the agents tell of, once it is plain which port is the pages'."""
        if len({hello["pid"] for hello in agents.values()}) > 1 and not any(h["workers"][1:] for h in agents.values()):
            raise self._several(len(agents))
        public = [port for port, hello in agents.items() if not hello["private"]]
        agent = public[0] if public else min(agents)
        servers = agents[agent]["servers"]
        if len(public) > 1 or (public and len(servers) > 1):
            raise ServerNotReady(
                f"The program opened {max(len(public), len(servers))} servers.",
                why="; ".join(f"{', '.join(server['routes'])}" for server in servers),
                advice="let it open one for all its pages, as pn.serve({…}) does, or give the lab one at a time.",
            )
        routes = [(route, server["prefix"]) for server in servers for route in server["routes"]]
        if not routes:
            return None
        if public:
            origin = f"http://{HOST}:{agent}"
            return Opened(agent, {route: origin + prefix + route for route, prefix in sorted(routes)}, origin)
        for port in sorted(others):  # of FastAPI the routes are whole
            origin = f"http://{HOST}:{port}"
            if _answers(origin + routes[0][0]):
                return Opened(port, {route: origin + route for route, _ in sorted(routes)}, f"http://{HOST}:{agent}")
        return None

    def _several(self, number: int) -> SessionLabError:
        return ServerNotReady(
            f"{number} processes serve, and know nothing of each other's sessions.",
            why=f"Command: {self.shown}",
            advice="start it with one worker: what one process keeps, each keeps.",
        )

    def _ended(self, child: Child, code: int) -> SessionLabError:
        text = child.log.tail(30)
        advice = f"run `{self.shown}` in a terminal."
        if left := child.processes:
            names = ", ".join(sorted({process.name() for process in left}))
            return ServerNotReady(
                "The command ended, and what it had started went on in the background.",
                why=f"{names} had no server that the lab could ask.\n{text}",
                advice="let it stay in the foreground: the lab ends all that it starts.",
            )
        if "already in use" in text or "Errno 98" in text:
            return PortTaken(
                "A port that the command asks for is taken.",
                why=text,
                advice="end what listens there, or write {port} where the command names its port.",
            )
        if "EOFError" in text:
            advice = "it asks for input, and has no terminal here: give it what it asks for as arguments."
        elif "usage:" in text.lower():
            advice = "give it its arguments after --, or write them into --command."
        return ServerNotReady(
            f"The command ended with exit code {code} before it had opened a server.",
            why=text or "It wrote nothing.",
            advice=advice,
        )

    def _not_found(self, child: Child, ports: Sequence[int], met: bool) -> SessionLabError:
        text = child.log.tail(15)
        if not ports and not met:
            return ServerNotReady(
                "The command opened no port.",
                why=text or "It wrote nothing.",
                advice="look at the last lines for what it waits for, or give it more time with ready_timeout=….",
            )
        if met:
            return ServerNotReady(
                "No page of the server answers on the port of the command.",
                why=text or f"It listens on {_named(ports)}.",
                advice="a server that is mounted below another path, or behind a login of its own, cannot be found.",
            )
        return ServerNotReady(
            f"The command listens on {_named(ports)}, without a Bokeh or Panel server in it that the lab can ask.",
            why=text or "It wrote nothing.",
            advice="the lab gets in when Python starts: not with -I or -E, and only where psutil is installed.",
        )


Start = ByFramework | ByCommand


def words_of(command: str | Sequence[str]) -> list[str]:
    """The words of a command line; raises InvalidOption for one that no shell could read."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    except ValueError as error:
        raise InvalidOption(f"The command {command!r} cannot be read.", why=str(error)) from None
    if not words:
        raise InvalidOption("The command is empty.", advice='give one, such as "uvicorn app:api --port {port}".')
    return words


def _named(ports: Sequence[int]) -> str:
    return f"port{'s' * (len(ports) > 1)} {', '.join(map(str, ports))}"


def _listening(child: Child) -> collections.Counter[int]:
    """The ports on which processes of the command listen, with the number of these."""
    found: collections.Counter[int] = collections.Counter()
    for process in child.processes:
        with contextlib.suppress(psutil.Error, OSError):
            connections = process.net_connections("tcp")
            found.update({c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN})
    return found


def _workers(child: Child, port: int, pid: int) -> int:
    """How many processes share a port with the process ``pid``, those included that have not opened it yet.

    They are the children of the one process that listens there as well, and gives its socket to each.
    """
    with contextlib.suppress(psutil.Error, OSError):
        known = {process.pid: process for process in child.processes}
        supervisor = known.get(known[pid].ppid()) if pid in known else None
        if supervisor and any(c.laddr.port == port for c in supervisor.net_connections("tcp")):
            program = known[pid].exe()
            return sum(p.exe() == program and TRACKER not in " ".join(p.cmdline()) for p in supervisor.children())
    return 1


def _hello(port: int, token: str) -> dict | None:
    with contextlib.suppress(SessionLabError, OSError, ValueError):
        return Probe(f"http://{HOST}:{port}", token, timeout=3.0).hello()
    return None


def _answers(url: str) -> bool:
    """Whether something that speaks HTTP knows this page: a failure of the application is an answer as well."""
    try:
        with opener().open(url, timeout=5.0):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 404
    except (OSError, ValueError):
        return False
