"""The versions that a recording holds for."""

from __future__ import annotations

import importlib.metadata


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("panel", "bokeh", "tornado")}
