"""Watches an object of a module."""

import panel as pn
from shared import ORDERS

pn.extension()

shown = pn.pane.Str("0")
ORDERS.param.watch(lambda event, shown=shown: shown.param.update(object=str(event.new)), "number")

pn.Column("Orders", shown).servable()
