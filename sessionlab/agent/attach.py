"""Put the agent into a process that a command has started, without the application's help.

``entry/sitecustomize.py`` calls `attach` at Python's start. Nothing is imported before the application imports it:
each thing here waits for the module that it is about. Servers are kept on loopback, and a program's own
port gives way to one of the lab's; a page may open its websocket under the address that the lab gave the server. No
browser is opened.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from urllib.parse import urlsplit

from sessionlab.agent import launch
from sessionlab.agent.patches import Patches, WhenImported

SETTINGS = "SESSIONLAB_SETTINGS"  # the variable of the environment with the options of `Wanted`, as JSON
HOST = "127.0.0.1"
PATCHES = Patches()  # for as long as the process lives

asked: dict[str, str] = {}  # the address that the program wanted, and on which it was not put


class Wanted:
    """What the lab wants of a server: its ``port`` (None leaves the program's own, 0 is any), the port of the ``agent``
    where that needs one, and ``tornado``, options of Bokeh's server such as ``unused_session_lifetime_milliseconds``.
    """

    def __init__(self, port: int | None = None, agent: int = 0, tornado: dict | None = None):
        self.port, self.agent, self.tornado = port, agent, tornado or {}

    @classmethod
    def read(cls) -> Wanted:
        return cls(**json.loads(os.environ.get(SETTINGS, "{}")))


def attach() -> None:
    """Wait for what the application imports, and put the agent in then."""
    if os.environ.get(launch.GUARD) == str(os.getppid()):
        launch.die_with_parent()
    wanted, token = Wanted.read(), os.environ[launch.TOKEN]
    agents: list = []

    def agent():
        if not agents:
            from sessionlab.agent import agent

            launch.answer_where()
            agents.append(agent.install(token, elements=launch.ELEMENTS in os.environ, port=wanted.agent))
        return agents[0]

    def with_tornado(module):
        agent()
        settings(module.BokehTornado, wanted.tornado)

    def with_fastapi(module):
        from sessionlab.agent import fastapi

        fastapi.install(agent(), wanted.tornado)

    actions = {
        "bokeh.server.tornado": with_tornado,
        "bokeh.server.server": lambda module: place(module.Server, "address", wanted),
        "bokeh.server.views.ws": lambda module: own_origin(module.WSHandler),
        "bokeh.application.application": lambda module: report_failures(),
        "bokeh_fastapi.application": with_fastapi,
        # on asyncio's own loop: that of uvloop has a clock that cannot be moved
        "uvicorn.config": lambda module: place(module.Config, "host", wanted, HOST, loop="asyncio"),
        "uvicorn.server": lambda module: when_uvicorn_starts(module.Server, agents),
        "webbrowser": no_browser,
    }
    sys.meta_path.insert(0, WhenImported(actions))


def report_failures() -> None:
    from sessionlab.agent.announce import report_failures

    report_failures()


def settings(owner, options: dict) -> None:
    """Let servers have these options, whatever the program says."""

    def make(original):
        def __init__(self, *args, **kwargs):
            original(self, *args, **{**kwargs, **options})

        return __init__

    PATCHES.wrap(owner, "__init__", make)


def place(owner, name: str, wanted: Wanted, usual: str = "", **more) -> None:
    """Keep servers on loopback: ``name`` is the option with their address, ``usual`` what it is when nobody says.

    ``more`` are options that the lab needs, whatever the program says.
    """

    def make(original):
        names = list(inspect.signature(original).parameters)[1:]

        def __init__(self, *args, **kwargs):
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            asked["address"] = given.get(name) or usual
            port = {} if wanted.port is None else {"port": wanted.port}
            original(self, **{**given, name: HOST, **port, **more})

        return __init__

    PATCHES.wrap(owner, "__init__", make)


def when_uvicorn_starts(owner, agents: list) -> None:
    """The agent answers from the first moment, also for an application whose lifespan nobody runs."""

    def make(original):
        async def startup(self, *args, **kwargs):
            await original(self, *args, **kwargs)
            for agent in agents:
                agent.start_here()

        return startup

    PATCHES.wrap(owner, "startup", make)


def own_origin(owner) -> None:
    """A page of the server itself may open its websocket, under whatever port the lab has put it."""

    def make(original):
        def check_origin(self, origin):
            here = urlsplit(origin)
            return (here.hostname == HOST and here.netloc == self.request.host) or original(self, origin)

        return check_origin

    PATCHES.wrap(owner, "check_origin", make)


def no_browser(module) -> None:
    for name in ("open", "open_new", "open_new_tab"):
        setattr(module, name, lambda *args, **kwargs: True)
