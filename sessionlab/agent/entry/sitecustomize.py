"""Python runs this at its start, for this folder is on PYTHONPATH: the lab is let into what a command starts.

It makes way for a ``sitecustomize`` of the environment's own, and imports nothing that the application does not: see
``attach.py``. Python that was started with ``-I`` or ``-E`` never comes here.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(os.path.dirname(_HERE))


def _elsewhere():
    return [place for place in sys.path if os.path.abspath(place or os.curdir) != _HERE]


def _load(name, spec):
    if spec is not None and spec.loader is not None:
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _run_own():
    """The environment's own module of this name, which this one stands before."""
    _load("sitecustomize", importlib.machinery.PathFinder.find_spec("sitecustomize", _elsewhere()))


def _find_lab():
    """The lab as a package, also where the application has an environment without it."""
    if importlib.machinery.PathFinder.find_spec("sessionlab") is None:
        place = os.path.join(_PACKAGE, "__init__.py")
        _load("sessionlab", importlib.util.spec_from_file_location("sessionlab", place, [_PACKAGE]))


sys.path[:] = _elsewhere()
if "SESSIONLAB_PROBE_TOKEN" in os.environ:
    _find_lab()
    from sessionlab.agent import attach

    attach.attach()
_run_own()
