"""A DynamicMap with a stream of its own, and linked ranges."""

import holoviews as hv
import numpy as np
import panel as pn

hv.extension("bokeh")
amount = pn.widgets.IntSlider(name="n", start=10, end=200, value=50)
ranges = hv.streams.RangeX()


def curve(n, x_range):
    xs = np.linspace(0, 10, n)
    return hv.Curve((xs, np.sin(xs)), "x", "y")


pn.Column(amount, hv.DynamicMap(pn.bind(curve, amount), streams=[ranges])).servable()
