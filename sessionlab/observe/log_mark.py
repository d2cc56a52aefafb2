"""A mark in the log of a served process: whoever reads it has read all that was said before.

Loaded through ``probe.extend("observe.log_mark")``. Runs in the served process.
"""

from __future__ import annotations

from sessionlab.observe.launch import announce


async def post_log(ask) -> dict:
    announce(event="log-mark", number=ask.number("number"))
    return {}


def install(probe) -> None:
    """Let ``probe`` answer to ``ask("POST", "log", number=…)``."""
    probe.extra.update(post_log=post_log)
