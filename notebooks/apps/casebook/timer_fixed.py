"""A periodic callback of Panel, which ends with the session."""

import panel as pn

pn.extension()

clock = pn.pane.Str("tick")
pn.state.add_periodic_callback(lambda clock=clock: clock.param.trigger("object"), 200)

pn.Column(clock).servable()
