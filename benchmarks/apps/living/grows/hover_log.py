# holder: app\.seen
# by: event
"""Where the pointer was over a Bokeh plot is kept."""

import panel as pn
from bokeh.events import MouseMove
from bokeh.plotting import figure

seen = []
plot = figure(height=200, width=300)
plot.line([1, 2, 3], [1, 4, 9])
plot.on_event(MouseMove, lambda event: seen.append([event.x, event.y] * 50))
pn.pane.Bokeh(plot).servable()
