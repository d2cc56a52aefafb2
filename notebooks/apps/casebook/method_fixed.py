"""`lru_cache` on a function, with a bound."""

import panel as pn
from shared import Report, rows_of

pn.extension()

report = Report(pn.state.curdoc.session_context.id)

pn.Column(pn.pane.Str(f"{len(rows_of(report.visitor))} rows")).servable()
