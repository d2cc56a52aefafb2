# holder: logging\.Logger "dashboard" handlers
"""A log handler a session."""

import io
import logging

import panel as pn

log = logging.getLogger("dashboard")
log.addHandler(logging.StreamHandler(io.StringIO()))
pn.Column("Logging").servable()
