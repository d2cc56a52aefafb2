"""A periodic callback of the session, which ends with it, and a stream of data."""

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

source = ColumnDataSource({"x": [0], "y": [0.0]})
plot = figure(width=400, height=200)
plot.line("x", "y", source=source)


def step(source=source, np=np):
    x = source.data["x"][-1] + 1
    source.stream({"x": [x], "y": [float(np.sin(x))]}, rollover=50)


pn.state.add_periodic_callback(step, period=200)
pn.Column(pn.pane.Bokeh(plot)).servable()
