"""What tells one leak from another on every machine, and who can mend it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from sessionlab.errors import InvalidOption
from sessionlab.leaks.decision import FRAMEWORKS, Holder

VERSION = 1  # of a file of known leaks
# addresses, line numbers, and what counts up: another run, or an edit above the line, gives others
PASSING = re.compile(r"0x[0-9a-f]+|:\d+|(?<=[-_])\d+\b|\bat \S+")


def signature(holder: str, owner: str) -> str:
    """Sixteen hexadecimal digits of a leak: of its holder's path and of whom it belongs to, without passing numbers."""
    name = " ".join(PASSING.sub("", holder).split())
    return hashlib.sha256(json.dumps([name, owner]).encode()).hexdigest()[:16]


def report_to(holder: Holder, owner: str, distributions: Mapping[str, str]) -> str:
    """Whose code put the thing there, or should have taken it away: a distribution with its version, or ``app``.

    Where a framework holds something, that is whoever came to it: the first on the way to what is kept that is none
    of a framework's, such as the library whose object subscribes. ``distributions``: package -> name and version.
    """
    came = next((name for name in holder.through if name not in (*FRAMEWORKS, owner)), "")
    name = came if came and owner in FRAMEWORKS else owner
    return distributions.get(name, name)


def read_baseline(file: str | os.PathLike) -> frozenset[str]:
    """The signatures of the leaks that are known. Raises InvalidOption, saying what is wrong with the file."""
    try:
        told = json.loads(Path(file).read_text("utf-8"))
        if told["version"] != VERSION:
            raise ValueError(f"its version is {told['version']!r}, and {VERSION} is read")
        return frozenset(str(leak["signature"]) for leak in told["leaks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidOption(
            f"The baseline {str(file)!r} cannot be read.",
            why=f"{type(error).__name__}: {error}",
            advice="write one with `sessionlab hunt APP --write-baseline FILE`.",
        ) from None


def write_baseline(result, file: str | os.PathLike) -> None:
    """Write the leaks of a `HuntResult` into ``file``: later hunts take them for known. Raises OSError."""
    known = ("signature", "holder", "owner", "report_to")
    found = [*(result.culprits if result.fails else ()), *result.live.culprits]
    leaks = [{name: getattr(culprit, name) for name in known} for culprit in found]
    Path(file).write_text(json.dumps({"version": VERSION, "leaks": leaks}, indent=2) + "\n", "utf-8")
