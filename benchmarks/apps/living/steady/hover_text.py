"""Where the pointer is over a Bokeh plot, as a text."""

import panel as pn
from bokeh.events import MouseMove
from bokeh.plotting import figure

plot = figure(height=200, width=300)
plot.line([1, 2, 3], [1, 4, 9])
shown = pn.pane.Markdown("")


def move(event):
    shown.object = f"{event.x:.1f}, {event.y:.1f}"


plot.on_event(MouseMove, move)
pn.Column(plot, shown).servable()
