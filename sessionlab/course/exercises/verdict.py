"""What a check finds, and how it shows itself."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass

RIGHT, NOT_YET, UNDECIDED = "right", "not yet", "not judged"
MARKS = {RIGHT: ("✔", "#1a7f37"), NOT_YET: ("✘", "#b42318"), UNDECIDED: ("•", "#57606a")}


class NotYet(Exception):
    """Something in the attempt is not right: ``what``, one plain sentence, and what was ``observed``."""

    def __init__(self, what: str, observed: str = ""):
        super().__init__(what)
        self.what, self.observed = what, observed


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes
    ----------
    exercise : its name.
    state : ``"right"``, ``"not yet"``, or ``"not judged"`` when the check itself came to no end.
    right : what was found right, in the order in which it was looked at.
    wrong : the first thing that was not; empty when all is right.
    observed : what was measured, seen or read in the log for it.
    """

    exercise: str
    state: str
    right: tuple[str, ...] = ()
    wrong: str = ""
    observed: str = ""

    @property
    def passed(self) -> bool:
        return self.state == RIGHT

    @property
    def exit_code(self) -> int:
        return {RIGHT: 0, NOT_YET: 1, UNDECIDED: 3}[self.state]

    def rows(self) -> list[tuple[str, str]]:
        rows = [(RIGHT, "; ".join(self.right)), (self.state, self.wrong), ("observed", self.observed)]
        return [(name, text) for name, text in rows if text]

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{MARKS[self.state][0]} {self.exercise}: {self.state}"]
        for name, text in self.rows():
            first, *rest = text.splitlines()
            lines += [f"  {name + ':':<11} {first}", *(" " * 14 + line for line in rest)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        mark, colour = MARKS[self.state]
        cells = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{name}</th>"
            f"<td style='text-align:left;white-space:pre-wrap'>{html.escape(text)}</td></tr>"
            for name, text in self.rows()
        )
        head = f"<b style='color:{colour}'>{mark} {html.escape(self.exercise)}: {self.state}</b>"
        return f"{head}<table>{cells}</table>"
