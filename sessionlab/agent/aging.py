"""Make a served process believe that it is later. Runs in the served process, at the end of a hunt.

What an application forgets by age, an hour after it was made, stays for a whole hunt and looks like a leak.
`post_age` moves the clocks of the ``time`` module on, wherever they were imported to. A thread that sleeps and a clock
that was handed over as an argument know nothing of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from sessionlab.agent.plain import own_dict

CLOCKS = ("time", "monotonic", "perf_counter")


def install(agent) -> None:
    """Let ``agent`` answer to `post_age`."""

    async def post_age(ask) -> dict:
        """Let ``seconds`` pass on the clocks of this process, at once."""
        seconds = ask.number("seconds")
        move_clocks(lambda: seconds)
        for server in agent.servers:  # Bokeh dates tokens by another clock than Panel
            if hasattr(server, "_session_token_expiration"):  # FastAPI's have 300 s, which nobody can change
                server._session_token_expiration += round(seconds)
        return {}

    agent.extra["post_age"] = post_age


def move_clocks(ahead: Callable[[], float]) -> None:
    """Let the clocks of the ``time`` module be so many seconds ahead, now and later."""
    moved = {id(clock): _ahead(clock, ahead) for clock in (getattr(time, name) for name in CLOCKS)}
    for module in list(sys.modules.values()):
        for name, thing in list(own_dict(module).items()):
            if id(thing) in moved:
                setattr(module, name, moved[id(thing)])


def _ahead(clock, ahead: Callable[[], float]):
    return lambda: clock() + ahead()
