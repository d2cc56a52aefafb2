"""Fills a table for the first forty visits, then no more."""

import _shared
import panel as pn

_shared.settle_down(pn.state.curdoc.session_context.id)
pn.Column("warm").servable()
