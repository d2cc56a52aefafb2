"""Pages for people who were not there: what an audit, a hunt or a load test found, in light, in dark, and on paper.

Each is one file that needs nothing else. ``base.html.jinja`` is the design of all; the others say what stands in it.
"""

from __future__ import annotations

from pathlib import Path


def render(name: str, **values) -> str:
    """The page of the template ``name``: ``audit``, ``hunt`` or ``load``, with ``result`` and what else it names."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("sessionlab.pages", ""), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    return environment.get_template(f"{name}.html.jinja").render(**values)


def write(page: str, file: str | Path) -> None:
    Path(file).write_text(page, encoding="utf-8")
