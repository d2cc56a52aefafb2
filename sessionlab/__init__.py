"""The lab of the course: start a server, visit it, disturb it, look inside, hunt its leaks, audit it.

    from sessionlab import serve, serving, visit, Outage, hunt, audit

Each name is loaded when it is first used, so that an application that imports only
``sessionlab.harden`` loads nothing of the lab.
"""

import importlib
import sys
import types

_DOORS = {
    "serve": "sessionlab.serve",
    "serving": "sessionlab.serve",
    "visit": "sessionlab.visit",
    "Outage": "sessionlab.disturb",
    "hunt": "sessionlab.hunt",
    "audit": "sessionlab.audit",
    "SessionLabError": "sessionlab.errors",
}
__all__ = list(_DOORS)


class _Package(types.ModuleType):
    """A package whose ``serve`` is the function, although a module of that name holds it."""

    def __setattr__(self, name, value):
        # The import system puts every submodule on its package; hand out what the module is for.
        if name in _DOORS and isinstance(value, types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_DOORS[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
