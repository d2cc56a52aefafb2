"""The element log in the lab: which objects an application made, by which of its lines, and what became of them."""

from __future__ import annotations

import collections
import html
from dataclasses import dataclass

WHAT = ("created", "rendered", "updated", "dropped", "freed")
COLUMNS = tuple(
    "time session what kind type object detail by callback where maker made id monotonic n".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class ElementLog:
    """Events of HoloViews elements, Panel objects and Bokeh models; see `sessionlab.agent.elements`.

    Attributes
    ----------
    events : dicts, in order, as the probe recorded them.
    next : number to ask for next time.
    dropped : how many events had to make room before they were asked for.
    on : whether the log is switched on.
    unseen : workers of ``--num-procs`` that did not answer.
    """

    events: tuple[dict, ...]
    next: int
    dropped: int
    on: bool
    unseen: tuple[int, ...] = ()

    @classmethod
    def from_answers(cls, answers: list[dict], unseen: tuple[int, ...] = ()) -> ElementLog:
        events = sorted((e for a in answers for e in a["events"]), key=lambda e: e["t"])
        dropped = sum(a["dropped"] for a in answers)
        return cls(tuple(events), answers[-1]["next"], dropped, any(a["on"] for a in answers), unseen)

    def __len__(self) -> int:
        return len(self.events)

    def frame(self):
        """Every event as a row of a pandas DataFrame; ``time`` is in seconds since the first."""
        import pandas as pd

        zero = self.events[0]["t"] if self.events else 0.0
        names = self._session_names()
        rows = [
            {**e, "time": e["t"] - zero, "session": names[e["session"]], "id": e["session"], "monotonic": e["t"]}
            for e in self.events
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS)).fillna(
            dict.fromkeys(("detail", "by", "callback", "where"), "")
        )

    def table(self, *by: str):
        """How often each thing happened, as a pandas DataFrame with a column for each of ``WHAT``.

        Parameters
        ----------
        by : columns of `frame` to group by. By default what was made, by which callback and line, so that a
            row tells what became of the objects that one line makes; ``"type", "callback", "where"`` tells
            who did it instead.
        """
        by = by or ("kind", "type", "maker", "made")
        counts = self.frame().groupby([*by, "what"], dropna=False).size().unstack(fill_value=0)
        return counts.reindex(columns=list(WHAT), fill_value=0).rename_axis(columns=None).reset_index()

    def _session_names(self) -> dict[str, str]:
        """Sessions by the order in which they appear: s1, s2, …; the same on every machine, unlike their ids."""
        ids = dict.fromkeys(e["session"] for e in self.events if e["session"])
        return {"": "", **{session: f"s{i}" for i, session in enumerate(ids, 1)}}

    def to_dict(self) -> dict:
        return {
            "events": list(self.events),
            "dropped": self.dropped,
            "on": self.on,
            "unseen": list(self.unseen),
        }

    def __str__(self) -> str:
        counts = collections.Counter((e["kind"], e["what"]) for e in self.events)
        lines = [
            f"{kind}: " + ", ".join(f"{counts[kind, what]} {what}" for what in WHAT if counts[kind, what])
            for kind in ("holoviews", "panel", "bokeh")
            if any(counts[kind, what] for what in WHAT)
        ]
        if self.dropped:
            lines.append(f"{self.dropped} older events had to make room")
        if self.unseen:
            lines.append(f"{len(self.unseen)} workers did not answer")
        return "\n".join(lines) or ("nothing yet" if self.on else "the element log is off")

    def _repr_html_(self) -> str:
        note = html.escape(str(self)).replace("\n", "<br>")
        return f"<p>{note}</p>{self.table().to_html(index=False)}" if self.events else f"<p>{note}</p>"
