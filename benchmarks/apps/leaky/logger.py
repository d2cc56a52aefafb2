# holder: logging\.Logger "dashboard" handlers
# objects: 1
"""A log handler a session."""

import io
import logging

import panel as pn

log = logging.getLogger("dashboard")
log.addHandler(logging.StreamHandler(io.StringIO()))
pn.Column("Logging").servable()
