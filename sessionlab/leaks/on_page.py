"""What a page shows, counted as its user's browser has it: widgets and panes by type, rows of data, length of texts.

What grows there was asked for, or is seen at least; it grows all the same.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
from collections.abc import Sequence

from sessionlab.client import Session
from sessionlab.leaks.decision import Holder
from sessionlab.leaks.result import Culprit

NAME = "on the page: "
LINE = 100  # characters: a text counts by whole lines, so that a number with one more digit is no growth
# what a model, or what Panel made it from, holds of what it shows
INSIDE = re.compile(r"\._property_values|\._models\b|\.param(\[|$)")


def page_of(sessions: Sequence[Session]) -> collections.Counter[str]:
    """How much there is on these pages, by what it is called."""
    found: collections.Counter[str] = collections.Counter()
    for session in sessions:
        for model in session.models.values():
            found[f"models of type {model.short_type}"] += 1
            data = model.attributes.get("data")
            if data is not None and model.short_type.endswith("DataSource"):
                columns = session.document.decode(data)
                lengths = [len(column) for column in columns.values() if hasattr(column, "__len__")]
                found[f"rows of {model.short_type}"] += max(lengths, default=0)
            if isinstance(text := model.attributes.get("text"), str):
                found[f"text of {model.short_type}"] += len(text) // LINE
    return found


def holders(pages: Sequence[collections.Counter[str]]) -> list[Holder]:
    """A row for everything of which there is more at the end of a window, given the ``pages`` at the ends of all."""
    rows = []
    for name in dict.fromkeys(name for page in pages for name in page):
        counts = [page[name] for page in pages]
        gains = [max(0, after - before) for before, after in itertools.pairwise(counts)]
        if any(gains):
            nothing = [0] * len(gains)
            title = NAME + name
            rows.append(
                Holder(title, "page", gains, nothing, nothing, counts[-1], owner="app", chain=(title,), tops=counts[-1])
            )
    return rows


def merged(culprits: Sequence[Culprit]) -> tuple[Culprit, ...]:
    """What is on the page is named so, with the line and the bytes of what holds it in the server."""
    shown = [culprit for culprit in culprits if culprit.holder.startswith(NAME)]
    if not shown:
        return tuple(culprits)
    inside = [culprit for culprit in culprits if INSIDE.search(culprit.holder) and "watchers" not in culprit.holder]
    line = next((culprit.location for culprit in inside if culprit.location), "")
    first = max(shown, key=lambda culprit: culprit.grows_by)
    rest = [culprit for culprit in culprits if culprit not in shown and culprit not in inside]
    size = sum(culprit.bytes for culprit in inside)
    chain = (first.holder, *dict.fromkeys(culprit.holder for culprit in inside))
    return (dataclasses.replace(first, location=line, bytes=size, chain=chain), *rest)
