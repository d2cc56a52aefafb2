"""What was seen in public apps, as `wild.md`: a summary, a row for each app, and why the others could not run."""

from __future__ import annotations

import collections
import re
import statistics
from collections.abc import Iterable, Sequence

HEADS = ["app", "verdict", "a session leaves", "who holds it", "report to", "second way", "s"]
GROWS = 0.9  # objects a session in both windows of the second way: something of each stays


def page(found: Sequence[dict], of: int, command: str) -> str:
    """The whole page in Markdown; ``found`` are results of `look`, ``of`` so many apps that there are."""
    ran = [one for one in found if "verdict" in one["hunt"]]
    rest = [one for one in found if "verdict" not in one["hunt"]]
    parts = [
        "# Public apps, hunted",
        _summary(ran, rest, of, command),
        "## All that ran",
        _table(map(_row, ran), HEADS),
    ]
    if rest:
        causes = sorted((_cause(one["hunt"]), one["name"]) for one in rest)
        rows = ([f"`{name}`", cause] for cause, name in causes)
        parts += ["## What could not run here", _table(rows, ["app", "why"])]
    return "\n\n".join(parts) + "\n"


def agree(one: dict) -> bool | None:
    """Whether the second way saw the same; None where it could not look."""
    second = one.get("second_way", {})
    if "objects" not in second or one["hunt"]["verdict"] not in ("clean", "leak"):
        return None
    return (min(second["objects"]) >= GROWS) == (one["hunt"]["verdict"] == "leak")


def _summary(ran, rest, of: int, command: str) -> str:
    verdicts = collections.Counter(one["hunt"]["verdict"] for one in ran)
    seconds = sorted(one["hunt"]["seconds"] for one in ran)
    versions = collections.Counter(one["source"] for one in [*ran, *rest])
    asked = [agree(one) for one in ran]
    leaks = [one for one in ran if one["hunt"]["verdict"] == "leak"]
    owners = collections.Counter(owner for one in leaks for owner in {c["report_to"] for c in one["hunt"]["culprits"]})
    lines = [
        f"`{command}` took the examples, galleries and code blocks out of the source distributions of "
        + ", ".join(f"{name} ({number})" for name, number in versions.items())
        + f": {len(ran) + len(rest)} of {of} apps were looked at, of which {len(ran)} run in its environment.",
        "Verdicts: " + ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()) + ".",
    ]
    if seconds:
        lines.append(f"A hunt took {statistics.median(seconds):.0f} s (median), {seconds[-1]:.0f} s at most.")
    able, same = sum(a is not None for a in asked), sum(a is True for a in asked)
    lines.append(
        "The second way is `second_way.py`: Bokeh's own server and expiry, and the collector's count; no code of the "
        f"lab. It could look at {able} of those that are clean or leak, and said the same of {same}."
    )
    if owners:
        lines.append("Leaks by who can mend them (an app may have several):")
        lines.append(_table(([owner or "–", str(n)] for owner, n in owners.most_common()), ["report to", "apps"]))
    return "\n\n".join(lines)


def _row(one: dict) -> list[str]:
    hunt, second = one["hunt"], one.get("second_way", {})
    left = hunt["per_session"]
    said = hunt["verdict"] not in ("clean", "undecided")
    holders = list(dict.fromkeys(c["holder"] for c in hunt["culprits"]))
    owners = list(dict.fromkeys(c["report_to"] for c in hunt["culprits"] if c["report_to"]))
    rates = second.get("objects")
    mark = {True: "", False: " **≠**", None: ""}[agree(one)]
    return [
        f"`{one['name']}`",
        hunt["verdict"],
        f"{left['bytes'] / 1000:,.1f} KB, {left['objects']:,.0f} objects" if said else "–",
        "<br>".join(f"`{_short(holder)}`" for holder in holders[:3]) + (" …" if len(holders) > 3 else "") or "–",
        ", ".join(owners) or "–",
        f"{rates[0]:g}, {rates[1]:g}{mark}" if rates else "–",
        f"{hunt['seconds']:.0f}",
    ]


def _cause(hunt: dict) -> str:
    lines = [line for line in hunt.get("why", "").strip().splitlines() if line.strip()]
    last = lines[-1].strip() if lines else hunt.get("error", "")
    text = f"{hunt.get('error', '')} {hunt.get('why', '')}"
    if re.search(r"URLError|ConnectionError|NameResolution|Temporary failure|Max retries|ConnectError|HTTPError", text):
        return "it fetches data from elsewhere, and this machine may not"
    return _short(last, 140)


def _short(text: str, most: int = 90) -> str:
    text = re.sub(r"\s+", " ", text).replace("|", "\\|").replace("`", "'")
    text = re.sub(r"/[^\s'\"]*/(?=[\w.-]+)", "", text)  # no paths of this machine
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
