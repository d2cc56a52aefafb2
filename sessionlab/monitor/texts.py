"""The parts of a page that are text, as HTML: counts by state, what can be seen, what happened, one session."""

from __future__ import annotations

import time
from html import escape

from sessionlab.monitor.view import View
from sessionlab.probe.timeline import BLOCKED, MARKS, STATES

# What each state looks like in the chart: its bar's height and hatch, beside its colour.
_SWATCHES = {
    "connected": f'<rect y="1" width="22" height="12" fill="{STATES["connected"][0]}"/>',
    "disconnected": f'<rect y="3" width="22" height="8" fill="{STATES["disconnected"][0]}"/>'
    '<path d="M1 11l6-8M8 11l6-8M15 11l6-8" stroke="#000" stroke-opacity=".6" stroke-width="1.4"/>',
    "new": f'<rect y="5" width="22" height="5" fill="{STATES["new"][0]}"/>'
    '<path d="M3 7.5h1M8 7.5h1M13 7.5h1M18 7.5h1" stroke="#000" stroke-width="1.6"/>',
    "blocked": f'<rect y="1" width="22" height="12" fill="{STATES["connected"][0]}"/>'
    f'<rect y="5" width="22" height="4" fill="{BLOCKED}" stroke="#fff" stroke-width=".8"/>',
}
_SIGNS = {
    "created": "+",
    "connected": "●",
    "disconnected": "○",
    "resumed": "▲",
    "restarted": "▼",
    "refused": "✕",
    "blocked": "▬",
    "unblocked": "▭",
    "discarded": "−",
    "destroyed": "−",
    "hook run": "✓",
    "process ended": "■",
}
_ALARMING = {"restarted", "refused", "failed", "hook failed", "unblock failed", "process ended"}
_NAMES = {"resumed": "reconnected: resumed", "restarted": "reconnected: restarted", "refused": "token refused"}


def numbers(view: View, now: float, hidden: int) -> str:
    """The counts, with the swatch of each state: they are the legend of the bars as well.

    ``hidden`` bars were left out of the chart.
    """
    rows = list(view.sessions.values())
    known = bool(view.seen) and not view.trouble
    states = [row["state"] for row in rows]
    note = f"{hidden:,} bars left out below" if hidden else f"{view.created:,} created so far"
    tiles = [
        _tile("sessions", "Sessions", len(rows), known, note),
        _tile("connected", "Connected", states.count("connected"), known, "a websocket is open"),
        _tile("disconnected", "Disconnected", states.count("disconnected"), known, "kept for their lifetime"),
        _tile("new", "New", states.count("new"), known, "page served, no websocket"),
        _tile("blocked", "Blocked", sum(row["blocks"] > 0 for row in rows), known, "may not expire"),
        _memory(view, now, known),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(kind: str, title: str, number, known: bool, note: str) -> str:
    swatch = f'<svg width="22" height="14" aria-hidden="true">{_SWATCHES[kind]}</svg>' if kind in _SWATCHES else ""
    shown = f"{number:,}" if known and not isinstance(number, str) else number if known else "–"
    return f'<div class="tile"><div class="name">{swatch}{title}</div><b>{shown}</b><small>{note}</small></div>'


def _memory(view: View, now: float, known: bool) -> str:
    seen = [s for s in view.samples if s.memory == s.memory and s.time > now - 60]
    if not seen:
        return _tile("memory", "Memory", "–", False, "resident")
    change = round((seen[-1].memory - seen[0].memory) / 1e6, 1) + 0.0  # never "-0.0"
    return _tile(
        "memory",
        "Memory",
        f"{seen[-1].memory / 1e6:,.0f} MB",
        known,
        f"{change:+.1f} MB in a minute" if known else "resident",
    )


def status(view: View, now: float) -> str:
    """Whether the server can be seen, and what cannot."""
    silence = view.silent(now)
    for_so_long = f" Nothing seen for {silence:.0f} s; the shaded part is unknown." if silence and view.seen else ""
    if view.trouble:
        return _chip("bad", "✕", "Not seen", view.trouble + for_so_long)
    if not view.seen:
        return _chip("wait", "…", "Starting", "Waiting for the server's first answer.")
    if silence:
        why = "Its event loop is busy, or its process is stopped: every session waits as well."
        return _chip("bad", "▲", "No answer", f"The server has not answered for {silence:.0f} s. {why}")
    if view.unseen:
        return _chip("wait", "▲", "Partly seen", f"{view.unseen} of {view.workers} worker processes do not answer.")
    if view.faults:
        return _chip("wait", "▲", "With gaps", f"The lab's agent in the server failed: {'; '.join(view.faults)}.")
    more = f" {view.workers} worker processes." if view.workers > 1 else ""
    more += f" {view.dropped:,} events came too fast to be read." if view.dropped else ""
    return _chip("good", "●", "Live", more)


def _chip(kind: str, sign: str, word: str, text: str) -> str:
    return f'<div class="status {kind}"><span class="chip">{sign} {word}</span> <span>{escape(text)}</span></div>'


def events(view: View) -> str:
    """What happened, the newest first."""
    if not view.events:
        return '<p class="empty">Nothing has happened yet.</p>'
    lines = []
    for event in reversed(view.events):
        kind = event.kind
        sign, alarm = _SIGNS.get(kind, "!"), " alarm" if kind in _ALARMING else ""
        times = f' <span class="count">× {event.count:,}</span>' if event.count > 1 else ""
        of = "sessions" if event.count > 1 else "session"
        session = f' <span class="who">{of} {escape(event.sessions)}</span>' if event.sessions else ""
        detail = event.detail if event.count == 1 or alarm else ""  # of many, one stands for all only in its failure
        lines.append(
            f'<li class="event{alarm}"><time>{time.strftime("%H:%M:%S", time.localtime(event.time))}</time>'
            f'<span class="sign">{sign}</span><span><span class="what">{_NAMES.get(kind, kind)}</span>{times}{session}'
            f'<span class="detail">{escape(detail[:200])}</span></span></li>'
        )
    return f'<ol class="events">{"".join(lines)}</ol>'


def session(view: View, label: str) -> str:
    """One session in a line."""
    row = view.sessions.get(label)
    if row is None:
        return f"There is no session {escape(label)} now." if label else "Click a bar, or type its number."
    parts = [row["state"]]
    parts.append(f"{row['age']:.0f} s old" if row["age"] is not None else "of unknown age")
    parts.append(f"{row['models']} models")
    if row["connections"] > 1:
        parts.append(f"{row['connections']} connections")
    if row["callbacks"]:
        parts.append(f"{row['callbacks']} callbacks")
    if row["blocks"]:
        parts.append(f"{row['blocks']} blocks")
    return ", ".join(parts)


def marks() -> str:
    """What the marks in the bars mean."""
    signs = {"^": "▲", "v": "▼", "X": "✕", "s": "■"}
    keys = [
        f'<span><i style="color:{"inherit" if colour == "#000000" else colour}">{signs[marker]}</i> {kind}</span>'
        for kind, (marker, colour, _) in MARKS.items()
        if marker in signs
    ]
    return f'<span class="keys">{"".join(keys)}<span><i class="unseen"></i> not seen</span></span>'
