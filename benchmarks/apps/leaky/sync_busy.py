# holder: panel\.io\.state\.state\._indicators
# objects: 1
"""pn.state.sync_busy keeps its indicator."""

import panel as pn

indicator = pn.indicators.BooleanStatus(value=False)
pn.state.sync_busy(indicator)
pn.Column(indicator).servable()
