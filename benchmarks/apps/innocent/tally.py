"""Counts visits under a handful of keys: the numbers grow, the table does not."""

import _shared
import panel as pn

_shared.TALLY[pn.state.curdoc.session_context.id[0] < "M"] += 1
pn.Column(str(sum(_shared.TALLY.values()))).servable()
