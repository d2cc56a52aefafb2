"""`lru_cache` on a method, without a bound: it keeps every `self`."""

import panel as pn
from shared import Report

pn.extension()

report = Report(pn.state.curdoc.session_context.id)

pn.Column(pn.pane.Str(f"{len(report.rows())} rows")).servable()
