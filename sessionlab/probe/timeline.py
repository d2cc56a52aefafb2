"""The timeline of sessions in the lab: what happened, as a table and as a picture."""

from __future__ import annotations

import collections
import html
import io
from dataclasses import dataclass

COLUMNS = ("time", "session", "event", "detail", "callback", "where", "id", "app", "pid", "monotonic", "n")
# Okabe and Ito's palette, and a hatch for each: the picture can be read in grey as well.
STATES = {
    "new": ("#BBBBBB", "...", "page served, no websocket yet"),
    "connected": ("#009E73", "", "connected"),
    "disconnected": ("#E69F00", "///", "disconnected"),
}
BLOCKED = "#0072B2"
MARKS = {
    "resumed": ("^", "#000000", "reconnected: resumed"),
    "restarted": ("v", "#D55E00", "reconnected: restarted"),
    "refused": ("X", "#CC79A7", "token refused"),
    "destroyed": ("|", "#000000", "destroyed"),
    "hook failed": ("s", "#D55E00", "hook failed"),
}


@dataclass(frozen=True)
class Span:
    """Part of a session's life in one state, from ``begin`` to ``end`` (seconds since the timeline's zero)."""

    session: object
    state: str
    begin: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """Events of sessions, in order, with the memory of the process between them.

    Attributes
    ----------
    events : dicts as the probe recorded them: ``event``, ``t`` (monotonic seconds), ``session`` (a number, in
        order of creation), ``id``, and what belongs to the event.
    memory : (monotonic seconds, bytes of resident memory), about one a second and one at each event.
    now : monotonic seconds when this was asked for.
    next : number to ask for next time.
    dropped : how many events had to make room before they were asked for.
    unseen : workers of ``--num-procs`` that did not answer.
    """

    events: tuple[dict, ...]
    memory: tuple[tuple[float, float], ...]
    now: float
    next: int
    dropped: int = 0
    unseen: tuple[int, ...] = ()

    @classmethod
    def from_answers(cls, answers: list[dict], unseen: tuple[int, ...] = ()) -> Timeline:
        several = len(answers) > 1
        events = []
        for answer in answers:
            for event in answer["events"]:
                event = {**event, "pid": answer["pid"]}
                if several and event.get("session") is not None:
                    event["session"] = f"{event['session']}@{answer['pid']}"
                events.append(event)
        events.sort(key=lambda e: (e["t"], e["n"]))
        memory = tuple((t, size) for t, size in answers[0]["memory"]) if not several else ()
        dropped = sum(a["dropped"] for a in answers)
        return cls(tuple(events), memory, max(a["monotonic"] for a in answers), answers[-1]["next"], dropped, unseen)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def zero(self) -> float:
        return self.events[0]["t"] if self.events else self.now

    def count(self, event: str) -> int:
        """How often ``event`` happened."""
        return sum(e["event"] == event for e in self.events)

    def frame(self):
        """Every event as a row of a pandas DataFrame; ``time`` is in seconds since the first."""
        import pandas as pd

        rows = [{**e, "time": e["t"] - self.zero, "monotonic": e["t"], "detail": detail(e)} for e in self.events]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.fillna({"callback": "", "where": "", "id": "", "app": ""})

    def spans(self) -> list[Span]:
        """Each session's life cut into states: new, connected, disconnected, and blocked beside them."""
        open_state: dict[object, tuple[str, float]] = {}
        open_block: dict[object, float] = {}
        spans = []

        def enter(session, state, t):
            if session in open_state:
                spans.append(Span(session, *open_state.pop(session), t))
            if state:
                open_state[session] = (state, t)

        def unblock(session, t):
            if session in open_block:
                spans.append(Span(session, "blocked", open_block.pop(session), t))

        for event in self.events:
            session, t, name = event.get("session"), event["t"] - self.zero, event["event"]
            if session is None:
                continue
            if name == "created":
                enter(session, "new", t)
            elif name in ("connected", "reconnected"):
                enter(session, "connected", t)
            elif name == "disconnected" and not event["connections"]:
                enter(session, "disconnected", t)
            elif name == "destroyed":
                enter(session, None, t)
                unblock(session, t)
            elif name == "blocked":
                open_block.setdefault(session, t)
            elif name == "unblocked" and not event["blocks"]:
                unblock(session, t)
        for session in list(open_state):
            enter(session, None, self.now - self.zero)
        for session in list(open_block):
            unblock(session, self.now - self.zero)
        return spans

    def plot(self, memory: bool = True):
        """A bar per session over a line of the memory, as a matplotlib Figure that is not shown yet.

        ``memory=False`` leaves the line out, where the lives are the point.
        """
        from matplotlib.figure import Figure

        spans = self.spans()
        rows = {session: i for i, session in enumerate(dict.fromkeys(s.session for s in self._by_birth(spans)))}
        height = min(9.0, 2.6 + 0.28 * len(rows)) - (0.0 if memory else 1.4)
        figure = Figure(figsize=(8.5, height), layout="constrained")
        if memory:
            bars, line = figure.subplots(2, 1, sharex=True, height_ratios=[max(1.0, height - 2.2), 1.4])
            self._draw_memory(line)
        else:
            bars = figure.subplots()
            bars.set_xlabel("seconds")
        self._draw_bars(bars, spans, rows)
        if spans:
            figure.legend(loc="outside upper center", ncols=4, fontsize="small", frameon=False)
        return figure

    def _by_birth(self, spans: list[Span]) -> list[Span]:
        return sorted(spans, key=lambda s: s.begin)

    def _draw_bars(self, axes, spans: list[Span], rows: dict) -> None:
        for state, (colour, hatch, label) in STATES.items():
            of_state = [s for s in spans if s.state == state]
            if of_state:
                axes.barh(
                    [rows[s.session] for s in of_state],
                    [s.end - s.begin for s in of_state],
                    left=[s.begin for s in of_state],
                    height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3, label=label,
                )  # fmt: skip
        blocked = [s for s in spans if s.state == "blocked" and s.session in rows]
        if blocked:
            axes.hlines(
                [rows[s.session] for s in blocked], [s.begin for s in blocked], [s.end for s in blocked],
                color=BLOCKED, linewidth=2.5, label="expiration blocked",
            )  # fmt: skip
        by_id = {e["id"]: rows[e["session"]] for e in self.events if e.get("session") in rows}
        for name, (marker, colour, label) in MARKS.items():
            found = [e for e in self.events if name in (e["event"], e.get("outcome"))]
            # a refused page of a session that is gone has no bar; its mark stands below the others
            places = [rows.get(e.get("session"), by_id.get(e.get("id"), -1)) for e in found]
            if found:
                times = [e["t"] - self.zero for e in found]
                axes.scatter(times, places, marker=marker, color=colour, s=34, zorder=3, label=label)
        axes.invert_yaxis()
        axes.set_ylabel("session")
        axes.set_yticks(range(len(rows)) if len(rows) <= 30 else [], list(rows)[:30] if len(rows) <= 30 else None)

    def _draw_memory(self, axes) -> None:
        times = [t - self.zero for t, _ in self.memory if t >= self.zero - 1]
        sizes = [size / 1e6 for t, size in self.memory if t >= self.zero - 1]
        axes.plot(times, sizes, color="black", linewidth=1.2)
        axes.set_ylabel("memory, MB")
        axes.set_xlabel("seconds")
        axes.grid(alpha=0.3)

    def alt_text(self) -> str:
        """What the picture shows, in words."""
        spans = self.spans()
        sessions = {s.session for s in spans}
        if not sessions:
            return "A timeline without any session."
        most, at_once = 0, 0
        lives = [(min(s.begin for s in spans if s.session == x), 1) for x in sessions]
        lives += [(max(s.end for s in spans if s.session == x), -1) for x in sessions]
        for _, change in sorted(lives):
            at_once += change
            most = max(most, at_once)
        counts = collections.Counter(e.get("outcome") or e["event"] for e in self.events)
        facts = [f"{counts[name]} {label}" for name, label in _TOLD.items() if counts[name]]
        sizes = [size / 1e6 for _, size in self.memory]
        memory = f" Memory was between {min(sizes):.0f} and {max(sizes):.0f} MB." if sizes else ""
        noun = "session" if len(sessions) == 1 else "sessions"
        return (
            f"A bar for each of {len(sessions)} {noun} over {self.now - self.zero:.0f} seconds, "
            f"at most {most} at a time: {', '.join(facts)}.{memory}"
        )

    def to_dict(self) -> dict:
        return {
            "events": list(self.events),
            "memory": [list(sample) for sample in self.memory],
            "now": self.now,
            "dropped": self.dropped,
            "unseen": list(self.unseen),
        }

    def __str__(self) -> str:
        lines = [
            f"{e['t'] - self.zero:8.2f} s  session {e.get('session') or '-'}  {e['event']}  {detail(e)}".rstrip()
            for e in self.events
        ]
        if self.dropped:
            lines.insert(0, f"({self.dropped} older events had to make room)")
        if self.unseen:
            lines.append(f"({len(self.unseen)} workers did not answer)")
        return "\n".join(lines) or "no events"

    def _repr_html_(self) -> str:
        picture = io.StringIO()
        self.plot().savefig(picture, format="svg")
        svg = picture.getvalue()
        return f'<div role="img" aria-label="{html.escape(self.alt_text())}">{svg[svg.index("<svg") :]}</div>'


_TOLD = {
    "connected": "connected",
    "disconnected": "disconnected",
    "resumed": "resumed",
    "restarted": "restarted",
    "refused": "refused for their token",
    "blocked": "blocked from expiring",
    "hook failed": "hooks failed",
    "destroyed": "destroyed",
}


def detail(event: dict) -> str:
    """What belongs to an event, in a few words."""
    name = event["event"]
    if name == "created":
        return f"for a {event['via']}, built in {event['seconds']:.2f} s"
    if name == "reconnected":
        away = f" after {event['away']:.1f} s" if "away" in event else ""
        return event["outcome"] + away
    if name == "disconnected":
        how = "the wire was cut" if event["code"] is None else f"closed with code {event['code']}"
        return how + (f", {event['connections']} connections left" if event["connections"] else "")
    if name in ("blocked", "unblocked", "unblock failed"):
        return f"{event['blocks']} blocks, {event.get('error') or event['where'] or 'by a library'}"
    if name == "discarded":
        return f"unused for {event['idle']:.1f} s"
    if name == "destroyed":
        return f"{event['age']:.1f} s old"
    if name.startswith("hook"):
        return f"{event['hook']}: {event['callback']}" + (f": {event['error']}" if "error" in event else "")
    return str(event.get("reason") or event.get("error") or "")
