"""Numbers that a chapter states in its prose: figures with a unit, and versions."""

from __future__ import annotations

import re
from typing import NamedTuple

# Times, sizes, shares, and counts of what this course counts. A bare figure ("chapter 02", "step 3") is structure.
UNITS = {
    "s": "s|seconds?",
    "ms": "ms|milliseconds?",
    "min": "min|minutes?",
    "h": "h|hours?",
    "days": "days?",
    "%": "%",
    "KB": "KB|kB",
    "MB": "MB",
    "GB": "GB",
    "bytes": "bytes",
    "sessions": "sessions?",
    "Documents": "Documents?",
    "models": "models?",
    "objects": "objects?",
    "visits": "visits?|visitors?|users?",
    "attempts": "attempts?|tries",
    "connections": "connections?",
    "times": "times",
}
NUMBER = r"(?!0\d)\d+(?:[ \u202f]\d{3}\b)*(?:\.\d+)?"
ROW = rf"{NUMBER}(?:(?:,? (?:and|to|or) |, | ?[–-] ?){NUMBER})*"
WITH_UNIT = re.compile(rf"(?<![\w.#/-])(?P<row>{ROW})[ \u202f]?(?P<unit>{'|'.join(UNITS.values())})(?![\w-])")
VERSION = re.compile(r"\b(?P<unit>Panel|Bokeh|BokehJS|Tornado|HoloViews) (?P<row>\d+(?:\.\d+)+)")
NOT_PROSE = [
    r"```.*?```",  # code
    r"(?m)^(?: {4}|\t).*$",
    r"`[^`\n]*`",
    r"(?m)^\| \*\*(?:Time|Memory|Holds for|Before this|Question)\*\* .*$",  # the head of a chapter
    r'"[^"\n]{2,400}"',  # somebody's words, which are a claim of their own
    r"\]\([^)]*\)",  # where a link leads
    r"<[^>\n]*>",
]


class Figure(NamedTuple):
    """A number and its unit, such as ``Figure("300", "s")``; or a version, ``Figure("3.10", "Bokeh")``."""

    number: str
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}" if self.unit in UNITS else f"{self.unit} {self.number}"


def figures(text: str) -> list[Figure]:
    """The figures of a text, in their order; "0, 2 and 6 s" are three."""
    found = []
    for match in sorted([*WITH_UNIT.finditer(text), *VERSION.finditer(text)], key=lambda match: match.start()):
        said = match["unit"]
        unit = next((name for name, words in UNITS.items() if re.fullmatch(words, said)), said)
        row = [match["row"]] if unit not in UNITS else re.findall(NUMBER, match["row"])
        found += [Figure(re.sub(r"[ \u202f]", "", number), unit) for number in row]
    return found


def as_n(text: str) -> str:
    """The text with N in the place of every number: what is the same on every machine."""
    return re.sub(r"\d+(\.\d+)?", "N", text)


def prose(markdown: str) -> str:
    """A Markdown text without its code, its head, its link targets and the words that it quotes."""
    for pattern in NOT_PROSE:
        markdown = re.sub(pattern, " ", markdown, flags=re.S if "```" in pattern else 0)
    return markdown
