"""Fixes that applications import: protection of a session that holds where Panel's does not.

    from sessionlab.harden import block_expiration, on_session_destroyed, session_locals
    from sessionlab.harden import SessionLimits, drain, recover_inputs

Needs Panel, Bokeh and Tornado, and nothing else of the lab. Each function says which stock behaviour it
replaces, for which versions, and when it can be dropped. `sessionlab.harden.metrics` is a plugin of ``panel serve``.
"""

from .block import block_expiration
from .destroy import on_session_destroyed
from .draining import drain
from .limits import SessionLimits
from .locals import session_locals
from .reconnecting import reconnect
from .recover import recover_inputs

__all__ = [
    "SessionLimits",
    "block_expiration",
    "drain",
    "on_session_destroyed",
    "reconnect",
    "recover_inputs",
    "session_locals",
]
