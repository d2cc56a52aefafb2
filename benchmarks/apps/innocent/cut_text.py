"""A text that is made longer at every visit, and cut to its newest twenty thousand letters."""

import _shared
import panel as pn

_shared.write_down("Somebody looked at the dashboard. " * 30)
pn.pane.Str(_shared.DIARY[-100:]).servable()
