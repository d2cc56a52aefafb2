"""How the results of a visit show themselves: their own one-line text, in a notebook too."""

from __future__ import annotations

import html
from dataclasses import asdict


class Shown:
    """Base of the frozen dataclasses here, which say in ``__str__`` what they are."""

    def to_dict(self) -> dict:
        return asdict(self)  # type: ignore[call-overload]  # every class that shows itself is a dataclass

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(str(self))}</code>"
