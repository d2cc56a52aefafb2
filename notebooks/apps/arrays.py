"""The same line from a list, or from a NumPy array: `/arrays?kind=array`."""

import numpy as np
import panel as pn
from bokeh.plotting import figure

pn.extension(notifications=True, reconnect=True)

heights = [4, 1, 3]
if pn.state.session_args.get("kind") == [b"array"]:
    heights = np.array(heights)

plot = figure(width=320, height=160)
plot.line([1, 2, 3], heights)
seen = pn.widgets.IntInput(name="Seen", value=0, disabled=True)
add = pn.widgets.Button(name="Count one", on_click=lambda event: seen.param.update(value=seen.value + 1))

pn.Column(plot, pn.Row(add, seen)).servable()
