"""Fixes that applications import: protection of a session that holds where Panel's does not.

    from sessionlab.harden import block_expiration, on_session_destroyed, session_locals
    from sessionlab.harden import SessionLimits, drain, recover_inputs

Needs Panel, Bokeh and Tornado, and nothing else of the lab. Each function says which stock behaviour it
replaces, for which versions, and when it can be dropped. `sessionlab.harden.metrics` is a plugin of ``panel serve``.

Where they work, and what they do elsewhere (each field is a test):

                           panel serve   bokeh serve   pn.serve   Server(...)   FastAPI        no server
    block_expiration       works         works         works      works         works          does nothing
    on_session_destroyed   works         works         works      works         works          RuntimeError
    session_locals         works         works         works      works         works          RuntimeError
    reconnect              works         works         works      works         works          does nothing
    recover_inputs         works         works         works      works         works          does nothing
    persist                works         works         works      works         works          does nothing
    SessionLimits          works         works         works      works         RuntimeError   waits for one
    drain                  works         works         works      works         RuntimeError   waits for one
    metrics                works         counts only   works      works         RuntimeError   waits for one

``panel serve`` stands for a script, a folder, a notebook, and ``--num-threads``; ``bokeh serve`` has no place for the
pages of ``metrics``. With ``--num-procs`` each process acts for itself: a page that comes back has to reach its own,
which is for the proxy to see to.
"""

from .block import block_expiration
from .destroy import on_session_destroyed
from .draining import drain
from .limits import SessionLimits
from .locals import session_locals
from .persisting import persist
from .reconnecting import reconnect
from .recover import recover_inputs

__all__ = [
    "SessionLimits",
    "block_expiration",
    "drain",
    "on_session_destroyed",
    "persist",
    "reconnect",
    "recover_inputs",
    "session_locals",
]
