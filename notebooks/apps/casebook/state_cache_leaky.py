"""The visitor's report in `pn.state.cache`, which all sessions share."""

import panel as pn
from shared import Report

pn.extension()

visitor = pn.state.curdoc.session_context.id
pn.state.cache[visitor] = Report(visitor)

pn.Column(pn.pane.Str(pn.state.cache[visitor].visitor)).servable()
