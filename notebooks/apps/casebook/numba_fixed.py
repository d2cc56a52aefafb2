"""The same function in a module: compiled once."""

import panel as pn
from compiled import total

pn.extension()

pn.Column(pn.pane.Str(str(total(1000)))).servable()
