"""A mark in the log of a served process: whoever reads it has read all that was said before.

Loaded through ``probe.extend("log_mark")``. Runs in the served process.
"""

from __future__ import annotations

from sessionlab.agent.announce import announce, is_heard


async def post_log(ask) -> dict:
    announce(event="log-mark", number=ask.number("number"))
    return {"heard": is_heard()}


def install(agent) -> None:
    """Let ``agent`` answer to ``ask("POST", "log", number=…)``."""
    agent.extra.update(post_log=post_log)
