"""What the monitor has seen of a server, out of the probe's answers. No thread, no network."""

from __future__ import annotations

import collections
import dataclasses
import math

from sessionlab.monitor.view import SAMPLES, SILENT, Bar, Event, Mark, Sample, Segment, View
from sessionlab.probe.timeline import detail

HISTORY = 900.0  # seconds that are kept
EVENTS = 60  # lines of the list
MARKS = 300
BARS = 2000
TOGETHER = 3  # more events of one kind in one answer become one line
MARKED = ("resumed", "restarted", "refused", "hook failed", "failed")


class Record:
    """Takes the answers of the workers of one server, in the order in which they came.

    Attributes
    ----------
    cursors : what to ask the timeline for next: ``since_PID`` for each worker, and ``sampled``.
    """

    def __init__(self):
        self.cursors: dict[str, float] = {}
        self._bars: dict[int, Bar] = {}  # by number
        self._open: dict[tuple[int, str], int] = {}  # worker and id -> number of the bar of the session that is there
        self._last: dict[tuple[int, str], int] = {}  # the same, whether it is there or gone: a hook may fail later
        self._offsets: dict[int, float] = {}  # worker -> this machine's clock minus the worker's
        self._answered: dict[int, float] = {}
        self._memory: dict[int, list[float]] = {}  # worker -> when it was last measured there, and bytes
        self._workers: set[int] = set()
        self._rows: dict[int, list[dict]] = {}
        self._marks: collections.deque[Mark] = collections.deque(maxlen=MARKS)
        self._events: collections.deque[Event] = collections.deque(maxlen=EVENTS)
        self._samples: collections.deque[Sample] = collections.deque(maxlen=SAMPLES)
        self._gaps: collections.deque[tuple[float, float]] = collections.deque(maxlen=50)
        self._seen, self._taken, self._created, self._dropped, self._number = 0.0, 0, 0, 0, 0
        self._trouble = ""
        self._faults: set[str] = set()

    # -- what comes in ------------------------------------------------------------------------------------

    def take(self, timelines: list[dict], sessions: list[dict], now: float) -> None:
        """Note one round of answers: of the timeline and then of the sessions, from every worker that gave one."""
        if not sessions:
            return
        self._trouble = ""
        self._workers = workers = set(sessions[0]["workers"])
        if self._seen and now - self._seen > SILENT:
            self._gaps.append((self._seen, now))
            self._add(Sample(self._seen))
        for pid in set(self._answered) - workers:
            self._worker_ended(pid)
        for answer in timelines:
            if answer["pid"] in workers:
                self._take_timeline(answer, now)
                self._faults.update(answer.get("errors", ()))
        for answer in sessions:
            self._take_sessions(answer, now)
        self._seen = now
        rows = [row for of_worker in self._rows.values() for row in of_worker]
        connected = sum(row["state"] == "connected" for row in rows)
        self._add(Sample(now, len(rows), connected, sum(size for _, size in self._memory.values())))
        self._forget(now - HISTORY)

    def lose(self, trouble: str, now: float, ended: bool = False) -> None:
        """Note that nobody answered, and why; ``ended`` if the server is known to be gone with its sessions."""
        self._trouble = trouble
        if ended and now - self._seen > SILENT:
            for pid in tuple(self._answered):
                self._worker_ended(pid)

    def _take_timeline(self, answer: dict, now: float) -> None:
        pid = answer["pid"]
        offset = self._offsets.setdefault(pid, now - answer["monotonic"])
        self._answered[pid] = now
        self.cursors[f"since_{pid}"] = answer["next"]
        self._dropped += answer["dropped"]
        if answer["memory"]:
            self._memory[pid] = answer["memory"][-1]
            self.cursors["sampled"] = min(when for when, _ in self._memory.values())
        several = len(answer["workers"]) > 1
        kinds = collections.defaultdict(list)
        for event in answer["events"]:
            when = event["t"] + offset
            kind = event.get("outcome") or event["event"]
            label = _label(event.get("session"), pid, several)
            self._note(pid, label, kind, event, when)
            kinds[kind].append(Event(when, kind, label, detail(event).removeprefix(kind).strip()))
        lines = [line for same in kinds.values() for line in _together(same)]
        self._events.extend(sorted(lines, key=lambda line: line.time))

    def _note(self, pid: int, label: str, kind: str, event: dict, when: float) -> None:
        where = (pid, event.get("id", ""))
        number = self._open.get(where)
        if kind == "created":
            self._created += 1
            if number is None:
                self._begin(pid, event["id"], label, event["app"], (Segment("new", when),))
        elif kind in MARKED and where in self._last:
            self._marks.append(Mark(when, kind, self._last[where]))
        if number is None:
            return
        bar = self._bars[number]
        if kind in ("connected", "resumed", "restarted"):
            bar = bar.enter("connected", when)
        elif kind == "disconnected" and not event["connections"]:
            bar = bar.enter("disconnected", when)
        elif kind in ("blocked", "unblocked"):
            bar = bar.block(event["blocks"], when)
        elif kind == "destroyed":
            bar = bar.ended(when)
            del self._open[where]
        self._bars[number] = bar

    def _take_sessions(self, answer: dict, now: float) -> None:
        """Put right what the events did not tell: those from before the monitor began, or that were lost."""
        pid, several = answer["pid"], len(answer["workers"]) > 1
        self._rows[pid] = [{**row, "label": _label(row["session"], pid, several)} for row in answer["sessions"]]
        for row in self._rows[pid]:
            since = now - row["unused"] if row["state"] == "disconnected" and row["unused"] is not None else now
            number = self._open.get((pid, row["id"]))
            if number is None:
                begin = now - (row["age"] or 0.0)
                segments: tuple[Segment, ...] = (Segment(row["state"], begin),)
                if row["state"] == "disconnected":
                    segments = (Segment("connected", begin, since), Segment("disconnected", since))
                number = self._begin(pid, row["id"], row["label"], row["app"], segments)
            bar = self._bars[number].enter(row["state"], since).block(row["blocks"], now)
            self._bars[number] = bar if bar.label == row["label"] else dataclasses.replace(bar, label=row["label"])
        alive = {row["id"] for row in self._rows[pid]}
        for where in [(p, i) for p, i in self._open if p == pid and i not in alive]:
            self._end(where, now)

    def _begin(self, pid: int, id: str, label: str, app: str, segments: tuple[Segment, ...]) -> int:
        self._number += 1
        self._bars[self._number] = Bar(self._number, label, id, app, pid, segments)
        self._open[pid, id] = self._last[pid, id] = self._number
        return self._number

    def _end(self, where: tuple[int, str], when: float) -> None:
        number = self._open.pop(where)
        self._bars[number] = self._bars[number].ended(when)

    def _worker_ended(self, pid: int) -> None:
        """A worker process is gone, and its sessions with it; when exactly is not known."""
        when = self._answered.pop(pid)
        for where in [where for where in self._open if where[0] == pid]:
            self._end(where, when)
        for table in (self._offsets, self._memory, self._rows):
            table.pop(pid, None)
        self.cursors.pop(f"since_{pid}", None)
        self.cursors["sampled"] = 0  # another process may have another clock
        self._events.append(Event(when, "process ended", "", f"process {pid}"))

    def _add(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._taken += 1

    def _forget(self, before: float) -> None:
        """Drop bars that ended long ago, and the oldest of those that ended if there are too many."""
        over = [bar for bar in self._bars.values() if bar.end < before]
        if len(self._bars) - len(over) > BARS:
            over = [bar for bar in self._bars.values() if bar.end < math.inf][: len(self._bars) - BARS]
        for bar in over:
            del self._bars[bar.number]
            if self._last.get((bar.pid, bar.id)) == bar.number:
                del self._last[bar.pid, bar.id]

    # -- what goes out ------------------------------------------------------------------------------------

    def view(self) -> View:
        late = [pid for pid in self._workers if self._seen - self._answered.get(pid, 0.0) > SILENT]
        return View(
            seen=self._seen,
            trouble=self._trouble,
            sessions={row["label"]: row for rows in self._rows.values() for row in rows},
            bars=tuple(self._bars.values()),
            marks=tuple(self._marks),
            gaps=tuple(self._gaps),
            events=tuple(self._events),
            samples=tuple(self._samples),
            taken=self._taken,
            created=self._created,
            workers=len(self._workers),
            unseen=len(late),
            dropped=self._dropped,
            faults=tuple(sorted(self._faults)),
        )


def _label(number, pid: int, several: bool) -> str:
    if number is None:
        return ""
    return f"{number}@{pid}" if several else str(number)


def _together(events: list[Event]) -> list[Event]:
    """A crowd of events of one kind as one line."""
    if len(events) <= TOGETHER:
        return events
    last = events[-1]
    named = sorted({event.sessions for event in events if event.sessions}, key=_number)
    names = f"{named[0]} … {named[-1]}" if named else ""
    return [Event(last.time, last.kind, names, last.detail, len(events))]


def _number(label: str) -> tuple[int, str]:
    number, _, worker = label.partition("@")
    return int(number), worker
