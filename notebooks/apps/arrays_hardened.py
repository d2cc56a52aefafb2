"""A line from a NumPy array, and one call that lets its page come back."""

import numpy as np
import panel as pn
from bokeh.plotting import figure

from sessionlab.harden import reconnect

pn.extension(notifications=True, reconnect=True)

plot = figure(width=320, height=160)
plot.line([1, 2, 3], np.array([4, 1, 3]))
seen = pn.widgets.IntInput(name="Seen", value=0, disabled=True)
add = pn.widgets.Button(name="Count one", on_click=lambda event: seen.param.update(value=seen.value + 1))

pn.Column(plot, pn.Row(add, seen)).servable()

reconnect()
