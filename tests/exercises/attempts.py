"""How a wrong attempt is written down."""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """``parts`` fill the regions of the stub, in order; a text is a whole file. ``flags`` are
    added to the line ``# panel serve``. The others are regular expressions for what the verdict says.
    """

    name: str
    parts: tuple[str, ...] | str
    says: str
    observed: str = ""
    flags: str = ""


EMPTY = Wrong(
    "an empty app",
    "import panel as pn\n\npn.extension()\npn.Column().servable()\n",
    "The visitor did not find what the exercise describes",
    "has nothing with the name",
)
