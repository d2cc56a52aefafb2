"""A plain Bokeh script that keeps its own module object, and nothing else."""

import sys

from bokeh.io import curdoc
from bokeh.models import Div

here = sys.modules[__name__]

curdoc().add_root(Div(text="A module that knows itself"))
