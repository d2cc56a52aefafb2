"""The course: what its notebooks call. ``from sessionlab.course import check, hint, solution, progress``."""

import importlib

_DOORS = {
    "check": "sessionlab.course.exercises.check",
    "hint": "sessionlab.course.exercises.help",
    "solution": "sessionlab.course.exercises.help",
    "progress": "sessionlab.course.exercises.progress",
}


def __getattr__(name):
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_DOORS[name]), name)
