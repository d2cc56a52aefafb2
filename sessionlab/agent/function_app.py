"""The script that stands for an application given as ``module:function``.

The function lives in an imported module, as it does under ``pn.serve``: its globals outlive the session.
"""

import importlib
import inspect
import os

from bokeh.io import curdoc

from sessionlab.agent.where import FUNCTION

_module, _, _function = os.environ[FUNCTION].partition(":")
_make = getattr(importlib.import_module(_module), _function)
if inspect.signature(_make).parameters:
    _make(curdoc())  # Bokeh's way: a function that is handed the Document
else:
    import panel as pn

    pn.panel(_make()).servable()
