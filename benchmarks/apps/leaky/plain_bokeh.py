# holder: _kept\.SEEN
# objects: 1
"""No Panel at all: a Bokeh application whose sources are kept."""

import _kept
from bokeh.io import curdoc
from bokeh.models import ColumnDataSource, Slider
from bokeh.plotting import figure

source = ColumnDataSource({"x": [1, 2, 3], "y": [3, 1, 2]})
_kept.SEEN.append(source)
plot = figure(width=300, height=200)
plot.line("x", "y", source=source)
curdoc().add_root(plot)
curdoc().add_root(Slider(start=0, end=10, value=1, title="n"))
