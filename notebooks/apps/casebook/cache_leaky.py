"""`pn.cache` without a bound, and an argument that no two visitors share."""

import panel as pn
from shared import Report

pn.extension()


@pn.cache
def report_of(visitor):
    return Report(visitor)


pn.Column(pn.pane.Str(report_of(pn.state.curdoc.session_context.id).visitor)).servable()
