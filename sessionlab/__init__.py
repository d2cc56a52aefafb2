"""The lab of the course: start a server, visit it, disturb it, look inside, hunt its leaks, audit it.

    from sessionlab import serve, serving, visit, Outage, hunt, audit

Each name is loaded when it is first used, so that an application that imports only
``sessionlab.harden`` loads nothing of the lab.
"""

import contextlib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessionlab.capacity import load as load
    from sessionlab.checks import audit as audit
    from sessionlab.client import Session as Session
    from sessionlab.client import get_page as get_page
    from sessionlab.client import visit as visit
    from sessionlab.client.browser import open_tab as open_tab
    from sessionlab.client.crowd import visit_together as visit_together
    from sessionlab.client.scenario import Scenario as Scenario
    from sessionlab.disturb import Outage as Outage
    from sessionlab.errors import SessionLabError as SessionLabError
    from sessionlab.experiments import experiment as experiment
    from sessionlab.leaks import hunt as hunt
    from sessionlab.lifetimes import plan as plan
    from sessionlab.monitor import Monitor as Monitor
    from sessionlab.server import Server as Server
    from sessionlab.server import serve as serve
    from sessionlab.server import serving as serving

_HOMES = {
    "Monitor": "monitor",
    "Outage": "disturb",
    "Scenario": "client.scenario",
    "Server": "server",
    "Session": "client",
    "SessionLabError": "errors",
    "audit": "checks",
    "experiment": "experiments",
    "get_page": "client",
    "hunt": "leaks",
    "load": "capacity",
    "open_tab": "client.browser",
    "plan": "lifetimes",
    "serve": "server",
    "serving": "server",
    "visit": "client",
    "visit_together": "client.crowd",
}
__all__ = list(_HOMES)

with contextlib.suppress(ImportError):  # where `harden` alone is deployed, nothing has moved
    from sessionlab import _moved

    _moved.install()


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
