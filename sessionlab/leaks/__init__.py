"""The leak hunter: is it a leak, how big, who holds it.

    from sessionlab import hunt

    result = hunt("app.py")
    print(result.verdict, result.culprits)

Parts of this package run in the served process, so nothing is imported here before it is used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessionlab.client.scenario import Scenario
    from sessionlab.leaks.result import HuntResult

_HOMES = {"Batch": "result", "Culprit": "result", "HuntResult": "result"}
__all__ = [*_HOMES, "hunt"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def hunt(
    app: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    sessions: int | None = None,
    max_seconds: float = 90.0,
    scenario: str | os.PathLike | Scenario | None = None,
    interact: bool = True,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    env: dict[str, str] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> HuntResult:
    """Open and end sessions of ``app`` until it is plain whether it keeps something of each.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a list of these.
    sessions : at most so many; by default about 70, more where that leaves a doubt.
    max_seconds : seconds after which the verdict is given with what is known then.
    scenario : a scenario file or a `Scenario`: what each visitor does.
    interact : False leaves everything untouched: visitors only look.
    framework : ``"panel"`` or ``"bokeh"``; by default told from the application's imports.
    panel_args : further arguments of ``panel serve`` or ``bokeh serve``.
    env : environment variables for the server, besides those of this process.
    progress : called with the name of the phase and the part of the whole that is done.

    Raises a SessionLabError when the application could not be run; nothing is left behind then.
    """
    from sessionlab.leaks.hunter import run_hunt

    return run_hunt(
        app,
        sessions=sessions,
        max_seconds=max_seconds,
        scenario=scenario,
        interact=interact,
        framework=framework,
        panel_args=panel_args,
        env=env,
        progress=progress,
    )
