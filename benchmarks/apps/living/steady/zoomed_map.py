"""A HoloViews plot that is drawn anew for what is seen of it."""

import holoviews as hv
import numpy as np
import panel as pn

pn.extension()
hv.extension("bokeh")


def drawn(x_range, y_range):
    low, high = x_range or (0, 10)
    x = np.linspace(low, high, 200)
    return hv.Curve((x, np.sin(x)))


zoom = hv.streams.RangeXY()
pn.pane.HoloViews(hv.DynamicMap(drawn, streams=[zoom])).servable()
