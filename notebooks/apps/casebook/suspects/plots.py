"""A HoloViews plot that follows a widget."""

import holoviews as hv
import numpy as np
import panel as pn

pn.extension()
hv.extension("bokeh")

number = pn.widgets.IntSlider(name="Number", start=1, end=10)
curve = hv.DynamicMap(lambda number: hv.Curve(np.sin(np.linspace(0, number, 50))), streams={"number": number})

pn.Column(number, pn.pane.HoloViews(curve)).servable()
