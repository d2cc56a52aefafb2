"""A log handler for the server."""

import io
import logging

import panel as pn

pn.extension()

log = logging.getLogger("casebook")
if not log.handlers:
    log.addHandler(logging.StreamHandler(io.StringIO()))

pn.Column("Logged").servable()
