"""`pn.cache` with a bound."""

import panel as pn
from shared import Report

pn.extension()


@pn.cache(max_items=2)
def report_of(visitor):
    return Report(visitor)


pn.Column(pn.pane.Str(report_of(pn.state.curdoc.session_context.id).visitor)).servable()
