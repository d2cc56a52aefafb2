"""No Panel at all: sliders that change a curve."""

import numpy as np
from bokeh.io import curdoc
from bokeh.models import ColumnDataSource, Slider
from bokeh.plotting import figure

x = np.linspace(0, 6, 200)
source = ColumnDataSource({"x": x, "y": np.sin(x)})
plot = figure(width=400, height=250)
plot.line("x", "y", source=source)
frequency = Slider(start=1, end=5, value=1, step=0.5, title="frequency")


def update(attribute, old, new):
    source.data = {"x": x, "y": np.sin(new * x)}


frequency.on_change("value", update)
curdoc().add_root(plot)
curdoc().add_root(frequency)
