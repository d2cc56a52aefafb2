"""The reader's own flags of ``panel serve``: those that are served, and those that are only judged.

The audit serves on a loopback port of its own, in one process. Flags that say otherwise are taken out here and
judged by what they say. What stands after ``--args`` belongs to the application.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# flag -> how many values it takes
ONLY_JUDGED = {
    "--address": 1,
    "--port": 1,
    "--unix-socket": 1,
    "--num-procs": 1,
    "--ssl-certfile": 1,
    "--ssl-keyfile": 1,
    "--show": 0,
    "--dev": 0,
    "--autoreload": 0,
    "--log-file": 1,
}
SHORTEST = 6  # characters of an abbreviation, which argparse accepts


@dataclass(frozen=True)
class Flags:
    """``served`` are the flags for the server of the audit, ``apps`` further pages of it, ``judged`` the others.

    ``judged`` maps a flag to its value (empty for one without).
    """

    served: tuple[str, ...]
    judged: dict[str, str] = field(default_factory=dict)
    apps: tuple[str, ...] = ()

    def without(self, *flags: str) -> list[str]:
        """``served`` without some flags that take one value each."""
        left, skip = [], False
        before, args = _before_args(self.served)
        for word in before:
            if skip:
                skip = False
            elif word in flags:
                skip = True
            elif word.partition("=")[0] not in flags:
                left.append(word)
        return [*left, *args]

    def has(self, *names: str) -> bool:
        """Whether one of these flags is given."""
        before, _ = _before_args(self.served)
        return any(word.partition("=")[0] in names for word in before) or any(name in self.judged for name in names)


def read(panel_args: Sequence[str]) -> Flags:
    """Take the reader's flags apart."""
    before, args = _before_args([str(word) for word in panel_args])
    served, judged, apps = [], {}, []
    words = list(before)
    while words and not words[0].startswith("-"):
        apps.append(words.pop(0))
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        full = _full_name(name)
        if full is None:
            served.append(word)
        elif equals or not ONLY_JUDGED[full]:
            judged[full] = value
        else:
            judged[full] = words.pop(0) if words else ""
    return Flags((*served, *args), judged, tuple(apps))


def _before_args(words: Sequence[str]) -> tuple[list[str], list[str]]:
    cut = list(words).index("--args") if "--args" in words else len(words)
    return list(words[:cut]), list(words[cut:])


def _full_name(name: str) -> str | None:
    if name in ONLY_JUDGED:
        return name
    fitting = [flag for flag in ONLY_JUDGED if len(name) >= SHORTEST and flag.startswith(name)]
    return fitting[0] if len(fitting) == 1 else None
