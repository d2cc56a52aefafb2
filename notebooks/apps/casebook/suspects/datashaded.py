"""Points that Datashader draws."""

import holoviews as hv
import numpy as np
import panel as pn
from holoviews.operation.datashader import rasterize

pn.extension()
hv.extension("bokeh")

points = hv.Points(np.random.default_rng(1).normal(size=(10_000, 2)))

pn.pane.HoloViews(rasterize(points)).servable()
