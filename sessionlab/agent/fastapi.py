"""Bokeh's server in FastAPI, as the agent sees it: ``bokeh_fastapi`` has no Tornado server that could answer.

The agent answers on a loopback port of its own, on the event loop of the application.
"""

from __future__ import annotations

import contextlib

# options of Bokeh's server that this one has as well
KNOWN = (
    "keep_alive_milliseconds",
    "check_unused_sessions_milliseconds",
    "unused_session_lifetime_milliseconds",
)


def install(agent, options: dict) -> None:
    """Let ``agent`` know every server that is made, each with these options."""
    from bokeh_fastapi.application import BokehFastAPI
    from bokeh_fastapi.handler import WSHandler

    def add(original):
        def __init__(server, *args, **kwargs):
            known = {name: value for name, value in options.items() if name in KNOWN}
            original(server, *args, **{**kwargs, **known})
            agent.servers.add(server)
            _start_with(agent, server.app.router)

        return __init__

    def open_(original):
        async def _async_open(handler, socket, token):
            agent.lifecycle.note_websocket(handler, token)
            return await original(handler, socket, token)

        return _async_open

    agent.patches.wrap(BokehFastAPI, "__init__", add)
    agent.patches.wrap(WSHandler, "_async_open", open_)


def _start_with(agent, router) -> None:
    """Start the agent when the application starts."""
    inner = router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app):
        agent.start_here()
        async with inner(app) as state:
            yield state

    router.lifespan_context = lifespan
