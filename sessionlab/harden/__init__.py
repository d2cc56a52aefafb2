"""Fixes that applications import: protection of a session that holds where Panel's does not.

    from sessionlab.harden import block_expiration, on_session_destroyed, session_locals

Needs Panel, Bokeh and Tornado, and nothing else of the lab. Each function says which stock behaviour it
replaces, for which versions, and when it can be dropped.
"""

from .block import block_expiration
from .destroy import on_session_destroyed
from .locals import session_locals

__all__ = ["block_expiration", "on_session_destroyed", "session_locals"]
