# holder: app\.views
# by: event
"""A HoloViews plot whose every zoom is remembered."""

import holoviews as hv
import panel as pn

pn.extension()
hv.extension("bokeh")
views = []
curve = hv.Curve([1, 4, 9, 16])
zoom = hv.streams.RangeXY(source=curve)
zoom.add_subscriber(lambda x_range, y_range: views.append([x_range, y_range] * 50))
pn.pane.HoloViews(curve).servable()
