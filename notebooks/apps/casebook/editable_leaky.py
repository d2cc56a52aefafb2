"""A HoloViews plot over a range of numbers, for which Panel makes a slider with a field to type into."""

import holoviews as hv
import numpy as np
import panel as pn

pn.extension()
hv.extension("bokeh")


def wave(frequency):
    x = np.linspace(0, 12)
    return hv.Curve((x, np.sin(frequency * x)))


waves = hv.DynamicMap(wave, kdims="frequency").redim.range(frequency=(1.0, 5.0))
pn.panel(waves).servable()
