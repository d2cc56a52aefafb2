"""A periodic callback of Tornado, which knows no sessions."""

import panel as pn
from tornado.ioloop import PeriodicCallback

pn.extension()

clock = pn.pane.Str("tick")
PeriodicCallback(lambda clock=clock: clock.param.trigger("object"), 200).start()

pn.Column(clock).servable()
