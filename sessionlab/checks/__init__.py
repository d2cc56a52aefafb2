"""The audit: the production checklist, executed on an application instead of ticked.

    from sessionlab import audit

    result = audit("app.py", panel_args=["--num-procs", "2"])
    print(result)
    assert result.green

`rules.py` is the catalogue of the checks; each group of them has a module. Parts of this package run in the served
process, so nothing is imported here before it is used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessionlab.checks.result import AuditResult
    from sessionlab.client.scenario import Scenario

_HOMES = {"AuditResult": "result", "Check": "result", "RULES": "rules"}
__all__ = [*_HOMES, "audit"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def audit(
    app: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    memory: float = 1e9,
    max_seconds: float = 110.0,
    scenario: str | os.PathLike | Scenario | None = None,
    interact: bool = True,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    browser: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> AuditResult:
    """Serve ``app`` as its users get it, visit it, disturb it, end it, and judge what happened.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a list of these.
    only, skip : checks (``"reconnect.token"``) or groups of them (``"reconnect"``) to do, or to leave out.
    memory : bytes that the process may take where it is deployed.
    max_seconds : seconds after which the audit ends; what was not measured by then is skipped.
    scenario : a scenario file or a `Scenario`: what each visitor does, and how he says who he is.
    interact : False leaves everything untouched. By default the widgets are used, and what they do is done.
    framework : ``"panel"`` or ``"bokeh"``; by default told from the application's imports.
    panel_args : the arguments of ``panel serve`` with which the application is deployed. Those that concern the port,
        the address and the number of processes are judged, but not served.
    env : environment variables for the server, besides those of this process.
    browser : False measures reconnects without a browser, although there is one.
    progress : called with what is going on and the part of the checks that is done.

    Raises a SessionLabError when the application could not be run; nothing is left behind then.
    """
    from sessionlab.checks.run import run_audit

    return run_audit(
        app,
        only=[only] if isinstance(only, str) else only,
        skip=[skip] if isinstance(skip, str) else skip,
        memory=memory,
        max_seconds=max_seconds,
        scenario=scenario,
        interact=interact,
        framework=framework,
        panel_args=panel_args,
        env=env,
        browser=browser,
        progress=progress,
    )
