"""What an application raised, read from the log of its server: the error, the application's line, how often.

An exception in a callback ends no session: Bokeh and Panel write it into the log and go on.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from sessionlab.agent.where import is_app_file, package_of, shown

# what stands in the log before the traceback of something that nobody caught
UNCAUGHT = re.compile(
    r"error handling message|Exception in (?:callback|thread)|Uncaught exception|exception was never retrieved"
    r"|raised an exception|failed with (?:the )?following|Error thrown from"
)
# a function that makes a page: Panel prints its traceback, and nothing before it
BY_PANEL = re.compile(r'\s+File ".*panel[/\\]io[/\\]handlers\.py", line \d+, in run_app')
TRACEBACK = "Traceback (most recent call last)"
NEAR = 20  # lines after its announcement in which a traceback begins
FRAME = re.compile(r'\s+File "(.+?)", line (\d+)')
ENDS = re.compile(r"[A-Za-z_][\w.]*(?:: .*)?:?$")  # the line that names the exception, at the margin
GOES_ON = ("During handling of the above exception", "The above exception was the direct cause")
_PLACE = re.compile(r"\((\S+:\d+)\)$")
MOST = 20  # different errors of an application


@dataclass(frozen=True)
class Raised:
    """An exception of the application that nobody caught.

    ``error`` such as ``ValueError: no work today``; ``location``, the application's last line in the traceback, as
    ``app.py:12`` (may be empty); ``count``, how often it was raised while the application was looked at;
    ``frames``, all lines of the application in the first traceback, the outermost first; ``traceback``, all of that.
    """

    error: str
    location: str
    count: int
    frames: tuple[str, ...] = ()
    traceback: str = field(default="", compare=False, repr=False)

    def to_dict(self) -> dict:
        return {**asdict(self), "frames": list(self.frames)}

    def __str__(self) -> str:
        often = "once" if self.count == 1 else f"{self.count} times"
        way = f", called at {', '.join(reversed(self.frames[:-1]))}" if len(self.frames) > 1 else ""
        return f"raised {often}{f' at {self.location}{way}' if self.location else ''}: {self.error}"


def uncaught(lines: Sequence[str], more: Iterable[str] = (), apps: Sequence[str] = ()) -> tuple[Raised, ...]:
    """The exceptions in ``lines`` of a log that nobody caught, the most frequent first, each once.

    ``more`` are tracebacks that the server told otherwise: those of a script that raised while it built a page.
    ``apps`` are what is served: of ``module:function`` the lines are known in an installed package as well.
    """
    packages = set(filter(None, map(package_of, apps))) or {""}
    blocks = [*_blocks(lines), *(text.splitlines() for text in more)]
    alike: dict[tuple, list[Raised]] = {}
    for block in blocks:
        error, frames = _told(block, packages)
        raised = Raised(error, "".join(frames[-1:]), 1, frames, "\n".join(block))
        alike.setdefault((error, raised.location), []).append(raised)
    often = sorted(alike.values(), key=len, reverse=True)[:MOST]
    return tuple(replace(same[0], count=len(same)) for same in often)


def in_hooks(events: Iterable[Mapping]) -> tuple[Raised, ...]:
    """What hooks of sessions raised, told by ``hook failed`` events of the timeline: Panel only logs a warning."""
    failed = [(event["error"], _PLACE.search(event["callback"])) for event in events]
    counts = collections.Counter((error, place[1] if place else "") for error, place in failed)
    return tuple(Raised(error, location, count) for (error, location), count in counts.most_common(MOST))


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Every uncaught traceback, from its first line to the one that names the exception."""
    place = 0
    while place < len(lines):
        if (begin := _begin(lines, place)) is not None:
            place = _end(lines, begin)
            yield list(lines[begin : place + 1])
        place += 1


def _begin(lines: Sequence[str], place: int) -> int | None:
    """The first line of the traceback that is announced at ``place``, if one is."""
    if lines[place].startswith(TRACEBACK) and BY_PANEL.match("".join(lines[place + 1 : place + 2])):
        return place
    if not UNCAUGHT.search(lines[place]):
        return None
    return next((n for n in range(place, min(place + NEAR, len(lines))) if TRACEBACK in lines[n]), None)


def _end(lines: Sequence[str], begin: int) -> int:
    """The last line of the traceback that begins there, with all that it was raised from."""
    place = begin
    for number in range(begin + 1, len(lines)):
        if lines[number].startswith((*GOES_ON, TRACEBACK)):
            continue
        if ENDS.match(lines[number]):
            place = number
            after = lines[number + 1] if number + 1 < len(lines) else ""
            if not after.startswith(GOES_ON):
                break
        elif UNCAUGHT.search(lines[number]):
            break
    return max(place, begin)


def _told(block: Sequence[str], packages: set[str]) -> tuple[str, tuple[str, ...]]:
    """The error that a traceback ends with, and the application's lines in it, the outermost first."""
    frames = [frame for line in block if (frame := FRAME.match(line))]
    frames = [frame for frame in frames if any(is_app_file(frame[1], package) for package in packages)]
    error = next((line for line in reversed(block) if ENDS.match(line)), block[-1] if block else "an exception")
    return error.strip()[:200], tuple(f"{shown(frame[1])}:{frame[2]}" for frame in frames)
