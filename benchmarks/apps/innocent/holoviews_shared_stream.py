"""A HoloViews stream that all sessions share and that holds its subscribers weakly."""

import holoviews as hv
import panel as pn
from _shared import HUB

hv.extension("bokeh")
if not hasattr(HUB, "stream"):
    HUB.stream = hv.streams.Stream.define("Cursor", x=0.0)()
curve = hv.DynamicMap(lambda x: hv.Curve([(0, x), (1, 1 - x)]), streams=[HUB.stream])
pn.Column(pn.pane.HoloViews(curve)).servable()
