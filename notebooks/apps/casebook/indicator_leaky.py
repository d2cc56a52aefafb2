"""A busy indicator by `pn.state.sync_busy`, which keeps it for ever."""

import panel as pn

pn.extension()

indicator = pn.indicators.BooleanStatus()
pn.state.sync_busy(indicator)

pn.Row("Busy?", indicator).servable()
