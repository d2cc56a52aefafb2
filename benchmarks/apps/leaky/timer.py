# holder: event loop: PeriodicCallback
# objects: 1
"""A periodic callback of Tornado, which knows no sessions."""

import panel as pn
from tornado.ioloop import PeriodicCallback

clock = pn.pane.Str("0")
PeriodicCallback(lambda clock=clock: clock.param.trigger("object"), 500).start()
pn.Column(clock).servable()
