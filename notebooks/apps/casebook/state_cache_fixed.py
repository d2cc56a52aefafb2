"""The same, and the entry is taken out when the session ends."""

import panel as pn
from shared import Report

pn.extension()

visitor = pn.state.curdoc.session_context.id
pn.state.cache[visitor] = Report(visitor)
pn.state.on_session_destroyed(lambda context, cache=pn.state.cache: cache.pop(context.id, None))

pn.Column(pn.pane.Str(pn.state.cache[visitor].visitor)).servable()
