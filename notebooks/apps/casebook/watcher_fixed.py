"""Watches an object of a module, and stops when the session ends."""

import panel as pn
from shared import ORDERS

pn.extension()

shown = pn.pane.Str("0")
watcher = ORDERS.param.watch(lambda event, shown=shown: shown.param.update(object=str(event.new)), "number")
pn.state.on_session_destroyed(lambda context, orders=ORDERS, watcher=watcher: orders.param.unwatch(watcher))

pn.Column("Orders", shown).servable()
