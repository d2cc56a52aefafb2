"""The same plot with a plain slider, which is asked for."""

import holoviews as hv
import numpy as np
import panel as pn

pn.extension()
hv.extension("bokeh")


def wave(frequency):
    x = np.linspace(0, 12)
    return hv.Curve((x, np.sin(frequency * x)))


waves = hv.DynamicMap(wave, kdims="frequency").redim.range(frequency=(1.0, 5.0))
plain = pn.widgets.FloatSlider(name="frequency", start=1.0, end=5.0)
pn.panel(waves, widgets={"frequency": plain}).servable()
