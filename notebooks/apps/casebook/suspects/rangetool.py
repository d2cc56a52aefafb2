"""An overview that moves the range of a detail."""

import holoviews as hv
import numpy as np
import panel as pn
from holoviews.plotting.links import RangeToolLink

pn.extension()
hv.extension("bokeh")

curve = hv.Curve(np.sin(np.linspace(0, 20, 100)))
overview = curve.opts(height=100, width=400)
detail = curve.clone().opts(height=150, width=400)
RangeToolLink(overview, detail)

pn.pane.HoloViews((detail + overview).cols(1)).servable()
