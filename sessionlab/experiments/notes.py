"""What was noted of the users, as a table: a row for each moment and user, a column for each thing."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """``rows`` of text under ``heads``. In a notebook it shows itself; as a text its columns are aligned."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        lines = [self.heads, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.heads))]
        padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join(line.rstrip() for line in padded)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str) -> str:
            inner = (f"<{tag} style='text-align: left'>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{''.join(inner)}</tr>"

        head, body = row(self.heads, "th"), "\n".join(row(cells, "td") for cells in self.rows)
        return f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def to_dict(self) -> dict:
        return {"heads": self.heads, "rows": self.rows}


class Notes:
    """Gathers what was seen of whom and when; `table` leaves out what is the same for all."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, str]] = {}  # (moment, user) -> what -> how it looked

    def add(self, moment: str, user: str, what: str, value) -> None:
        self._seen.setdefault((moment, user), {})[what] = "" if value is None else str(value)

    def table(self) -> Table:
        whats = list(dict.fromkeys(what for seen in self._seen.values() for what in seen))
        moments = any(moment for moment, _ in self._seen)
        users = len({user for _, user in self._seen}) > 1 or not moments
        heads = [*([""] if moments else []), *([""] if users else []), *whats]
        rows = []
        for (moment, user), seen in self._seen.items():
            rows.append([*([moment] if moments else []), *([user] if users else []), *(seen.get(w, "") for w in whats)])
        return Table(tuple(heads), tuple(map(tuple, rows)))
