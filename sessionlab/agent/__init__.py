"""All that runs in the served process, and nothing else.

In production, where the server is nobody's but yours:

    panel serve app.py --plugins sessionlab.agent

or, in a program and in FastAPI, ``sessionlab.agent.install()`` before the first server is made. Both need a token of at
least 32 characters in ``SESSIONLAB_TOKEN``; ``sessionlab watch`` and ``sessionlab snapshot`` ask with the same.
"""

from __future__ import annotations


def install() -> None:
    """Let ``sessionlab watch`` look at this process: see `plugin`. Raises RuntimeError without a token."""
    from sessionlab.agent import plugin

    plugin.install()


def __getattr__(name: str) -> list:
    if name == "ROUTES":  # what Panel asks a plugin for
        install()
        return []
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
