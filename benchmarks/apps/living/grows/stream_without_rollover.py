# holder: on the page
# by: time
"""A Bokeh plot that gains points, and loses none."""

import panel as pn
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

source = ColumnDataSource({"x": [0], "y": [0]})
plot = figure(height=200, width=300)
plot.line("x", "y", source=source)


def tick():
    newest = source.data["x"][-1] + 1
    source.stream({"x": [newest], "y": [newest % 7]})


pn.state.add_periodic_callback(tick, period=200)
pn.pane.Bokeh(plot).servable()
