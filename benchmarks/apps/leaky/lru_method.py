# holder: functools\.lru_cache _kept\.Report\.rows
# objects: 1
"""lru_cache on a method: the cache keeps every self."""

import _kept
import panel as pn

report = _kept.Report(pn.state.curdoc.session_context.id)
pn.Column(pn.pane.Str(str(len(report.rows(400))))).servable()
