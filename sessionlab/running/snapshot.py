"""Two moments of a server, compared on another machine: what is new, who holds it, how much of it a session left."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sessionlab.errors import InvalidOption
from sessionlab.probe.client import Probe

VERSION = 1
VARIABLE = "SESSIONLAB_TOKEN"
SHOWN = 20  # rows of a difference


def probe_of(url: str, token_file: str | os.PathLike | None = None) -> Probe:
    """The probe of a server that runs at ``url``; the token is in the file, or in ``SESSIONLAB_TOKEN``.

    Raises InvalidOption when there is no token, or the address is none of this machine's.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidOption(
            f"{url!r} cannot be asked.",
            why="The agent answers on loopback only, and without TLS.",
            advice="give http://127.0.0.1:PORT; for another machine, forward its port: kubectl port-forward, ssh -L.",
        )
    if token_file is not None and not Path(token_file).is_file():
        raise InvalidOption(f"There is no file {token_file}.", advice="write the token into it, and nothing else.")
    token = Path(token_file).read_text("utf-8").strip() if token_file is not None else os.environ.get(VARIABLE, "")
    if not token:
        raise InvalidOption(
            "There is no token.", advice=f"put that of the server into {VARIABLE}, or give --token-file."
        )
    return Probe(f"http://{parts.netloc}", token, timeout=15.0)


@dataclass(frozen=True)
class Snapshot:
    """What a server was made of at one moment: counts, classes and names, and no value.

    ``at``: seconds since 1970. ``numbers``: sessions created, ended, live and connected, heap and rss in bytes.
    ``types``: objects by class. ``containers``: items by the container's name. ``held``: rows of those who hold what
    ended sessions left; ``kept``: how many of their Documents that are. ``objects``: of all classes. ``pause``: seconds
    for which the server stood still.
    """

    at: float
    numbers: Mapping[str, float]
    versions: Mapping[str, str]
    types: Mapping[str, int]
    containers: Mapping[str, int]
    held: Sequence[Mapping]
    kept: int
    objects: int
    pause: float | None

    def write(self, file: str | os.PathLike) -> None:
        """Write it into ``file``, compressed. Raises OSError; a file that is cut off is never left."""
        path = Path(file)
        unfinished = path.with_name(path.name + ".part")
        try:
            with gzip.open(unfinished, "wt", encoding="utf-8") as written:
                json.dump({"version": VERSION, **asdict(self)}, written)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def read(cls, file: str | os.PathLike) -> Snapshot:
        """Raises InvalidOption, saying what is wrong with the file."""
        try:
            with gzip.open(file, "rt", encoding="utf-8") as read:
                told = json.load(read)
            if (version := told.pop("version")) != VERSION:
                raise ValueError(f"its version is {version!r}, and {VERSION} is read")
            return cls(**told)
        except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidOption(
                f"The snapshot {str(file)!r} cannot be read.",
                why=f"{type(error).__name__}: {error}",
                advice="take one with `sessionlab snapshot URL -o FILE`.",
            ) from None

    def __str__(self) -> str:
        numbers = self.numbers
        lines = [f"{numbers['ended']} sessions have ended, {numbers['live']} live; {self.objects} objects"]
        lines += [f"{row['tops']} Documents of ended sessions: {row['holder']}" for row in self.held]
        return "\n".join(lines)


def take(probe: Probe) -> Snapshot:
    """A snapshot of the server that ``probe`` asks, which stands still for some milliseconds."""
    answer = probe.ask("GET", "look", whole=1, patience=120)
    named = {name: answer[name] for name in ("numbers", "types", "containers", "held", "kept", "objects", "pause")}
    versions = {name: version for name, version in probe.hello()["versions"].items() if version}
    return Snapshot(at=time.time(), versions=versions, **named)


@dataclass(frozen=True)
class Difference:
    """What lies between two snapshots.

    ``sessions`` that ended between them; ``minutes``; ``held``: holders of Documents, with how many more these are;
    ``containers`` and ``types``: how many more items and objects, the most first, by name.
    """

    sessions: int
    minutes: float
    bytes: int | None
    held: Mapping[str, int]
    containers: Mapping[str, int]
    types: Mapping[str, int]

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.sessions} sessions ended in {self.minutes:.0f} minutes"]
        if self.bytes is not None:
            lines[0] += f"; the heap has {self.bytes / 1e6:+.1f} MB"
        for title, rows in (("Documents held by", self.held), ("items in", self.containers), ("objects", self.types)):
            for name, more in list(rows.items())[:SHOWN]:
                each = f"  {more / self.sessions:8.2f} a session" if self.sessions else ""
                lines.append(f"{more:+8d}{each}  {title} {name}")
        return "\n".join(lines)


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """What is new in ``after``. Raises InvalidOption for snapshots of two servers, or in the wrong order."""
    if after.at < before.at or after.numbers["began"] != before.numbers["began"]:
        why = "It was started anew between them." if after.at >= before.at else "The first one is the later one."
        raise InvalidOption("These are not two moments of one server, in their order.", why=why)
    heaps = before.numbers["heap"], after.numbers["heap"]
    return Difference(
        sessions=int(after.numbers["ended"] - before.numbers["ended"]),
        minutes=(after.at - before.at) / 60,
        bytes=None if None in heaps else int(heaps[1] - heaps[0]),
        held=_more(_documents(before), _documents(after)),
        containers=_more(before.containers, after.containers),
        types=_more(before.types, after.types),
    )


def _documents(snapshot: Snapshot) -> dict[str, int]:
    return {row["holder"]: row["tops"] for row in snapshot.held}


def _more(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    more = {name: count - before.get(name, 0) for name, count in after.items()}
    return dict(sorted(((n, m) for n, m in more.items() if m > 0), key=lambda pair: -pair[1]))
