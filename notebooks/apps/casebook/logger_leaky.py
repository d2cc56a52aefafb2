"""A log handler for every session."""

import io
import logging

import panel as pn

pn.extension()

log = logging.getLogger("casebook")
log.addHandler(logging.StreamHandler(io.StringIO()))

pn.Column("Logged").servable()
