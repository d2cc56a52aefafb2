# holder: _kept\.TABLE
# bytes: 16000
"""One table that is made longer at every visit: one object before, one afterwards."""

import _kept
import panel as pn

_kept.more_rows(1000)
pn.pane.DataFrame(_kept.TABLE.tail(3)).servable()
