"""From what was measured to the result: the culprits with their lines, and what each session left."""

from __future__ import annotations

import dataclasses
import statistics
import time
from dataclasses import dataclass, field

from sessionlab.leaks import decision
from sessionlab.leaks.advice import advice_for, marked_line, owner_of
from sessionlab.leaks.decision import Finding, Holder, Judgement
from sessionlab.leaks.identity import report_to, signature
from sessionlab.leaks.remainder import unexplained
from sessionlab.leaks.result import Batch, Culprit, HuntResult

NATIVE = "memory outside Python's objects"
MOST = 12  # culprits that are shown
PART = 0.25  # of the memory that is left: a value that gains less is not its reason


@dataclass
class Evidence:
    """What the phases of a hunt of ``app`` gather.

    ``sizes``: sessions of each window. ``memory``: the rates of its batches. ``worked``: these are of no use, for
    they are mostly what work held that outlived its session, and has ended since. ``counts``: censuses at its begin and
    end. ``files``: of the application. ``small``: bytes of an average small block that stayed. ``lines`` and
    ``heap_lines``: what ``traced`` visits showed that were followed line by line; ``values``: what texts, arrays and
    tables gained meanwhile. ``odd``: objects that raised when they were looked into. At the end, ``events`` of the
    timeline, sessions ``created``, ``versions`` of the server and
    ``distributions`` of what it has imported.
    """

    app: str
    sizes: list[int] = field(default_factory=list)
    memory: list[list[float]] = field(default_factory=list)
    worked: bool = False
    batches: list[Batch] = field(default_factory=list)
    counts: list[tuple] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    small: float = 0.0
    lines: dict[str, list[str]] = field(default_factory=dict)
    heap_lines: dict[str, int] = field(default_factory=dict)
    values: list[dict] = field(default_factory=list)
    traced: int = 1
    odd: int = 0
    events: list[dict] = field(default_factory=list)
    created: int = 0
    versions: dict[str, str | None] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def close(self, probe) -> Evidence:
        """With what the server tells at the end."""
        self.events, self.created = probe.timeline().events, probe.census().created
        self.versions = probe.hello()["versions"]
        self.distributions = probe.ask("GET", "distributions")["distributions"]
        self.notes += probe.faults()
        return self


def result(seen: Evidence, judgement: Judgement) -> HuntResult:
    """The result of a hunt that came to this judgement."""
    culprits = culprits_of(seen, judgement)
    for finding in judgement.of("residue"):
        each = finding.holder.bytes / max(1, sum(seen.sizes[-len(finding.holder.below) :]))
        seen.notes.append(f"{finding.holder.holder} gains {each:.0f} B a session: {finding.why}.")
    seen.notes += _names_that_are_gone(seen.events)
    if seen.odd:
        seen.notes.append(
            f"{seen.odd} objects raised when they were looked into: what they hold was told by Python alone."
        )
    if judgement.why and judgement.verdict == "undecided":
        seen.notes.append(judgement.why + ".")
    return _made(seen, judgement.verdict, culprits)


def culprits_of(seen: Evidence, judgement: Judgement) -> tuple[Culprit, ...]:
    """Who is to be named for this judgement, the worst first."""
    culprits = [_culprit(seen, f) for f in judgement.of("leak" if judgement.verdict == "leak" else "bounded")]
    if judgement.verdict == "bounded":
        culprits += [_culprit(seen, f) for f in judgement.of("ends")]
    if judgement.verdict == "undecided":
        culprits = [_culprit(seen, f) for f in judgement.of("open")]
    if judgement.verdict == "leak" and judgement.memory.kind == "steady":
        culprits += _values(seen, judgement.memory.rate)
    if judgement.verdict == "leak" and not culprits:
        culprits = [
            Culprit(
                NATIVE,
                judgement.memory.rate,
                (NATIVE, "held by a C extension, or by compiled code"),
                _line_of_memory(seen, judgement.memory.rate),
                "native",
                "look for what the application compiles, opens or allocates at every visit "
                "(numba.njit, ctypes, an image or database library), and do it once.",
                judgement.memory.rate,
            )
        ]
    merged: dict[str, Culprit] = {}
    for culprit in sorted(culprits, key=lambda c: -c.bytes):
        merged.setdefault(culprit.holder, _named(seen, culprit))
    return tuple(merged.values())[:MOST]


def _culprit(seen: Evidence, finding: Finding) -> Culprit:
    holder: Holder = finding.holder
    traced = seen.lines.get(holder.holder, ())
    marked = marked_line(holder, seen.files)
    location = next((line for line in (marked, *traced, *holder.filled, holder.defined) if line), "")
    title = holder.holder
    if title.startswith(("Thread", "Timer")) and location:
        title = f"{title} started at {location}"
    chain = tuple(holder.chain) if finding.kind == "leak" else (holder.holder, finding.why)
    # what Python itself keeps for ever, the application gave it
    owner = "app" if holder.owner == "python" and location else holder.owner
    advice = (
        advice_for(dataclasses.replace(holder, owner=owner)) if finding.kind == "leak" else f"no leak: {finding.why}."
    )
    sessions = sum(seen.sizes[-len(holder.below) :])  # of the windows that the row tells of
    return Culprit(
        title,
        finding.rate,
        chain,
        location,
        owner,
        advice,
        holder.bytes / max(1, sessions),
        signature(holder.holder, owner),
        report_to(holder, owner, seen.distributions),
    )


def _names_that_are_gone(events: list[dict]) -> list[str]:
    """What is to be said of hooks that find no name of their script any more: an entry may stay because of that."""
    failed = [event for event in events if event["event"] == "hook failed" and "NameError" in event["error"]]
    lines = dict.fromkeys(f"{event['hook']}: {event['callback']} fails: {event['error']}." for event in failed)
    why = "The script's names are gone when it runs: give it what it needs as default arguments."
    return [f"{line} {why}" for line in lines][:3]


def _values(seen: Evidence, rate: float) -> list[Culprit]:
    """The single values that gain a good part of ``rate``, the bytes that each session leaves."""
    culprits = []
    for row in seen.values:
        gain = min(rate, row["bytes"] / seen.traced)  # what sets memory aside in steps may gain a step now
        if gain >= max(decision.BYTES_FLOOR, PART * rate):
            location = next(iter(row["filled"]), "") or _line_of_memory(seen, gain)
            owner = owner_of(Holder(row["holder"], owner=row["owner"]))
            advice = "one value that is made longer at every visit: cut it to its newest part, or let it start anew."
            chain = (row["holder"], row["what"])
            culprits.append(Culprit(row["holder"], gain, chain, location, owner, advice, gain))
    return culprits


def _line_of_memory(seen: Evidence, rate: float) -> str:
    """The line after which a visit has as much more memory as it leaves for good; empty if none fits."""
    fits = {n: abs(size / seen.traced - rate) for n, size in seen.heap_lines.items()}
    best = min(fits, key=fits.__getitem__, default="")
    return best if best and fits[best] < 0.3 * rate else ""


def _named(seen: Evidence, culprit: Culprit) -> Culprit:
    """With a signature, and with whom to tell, also where no holder was found."""
    if culprit.signature:
        return culprit
    whom = seen.distributions.get(culprit.owner, culprit.owner)
    return dataclasses.replace(culprit, signature=signature(culprit.holder, culprit.owner), report_to=whom)


def blocked(seen: Evidence, kept, visits: int) -> HuntResult:
    """The verdict on sessions that never end, with who blocked them."""
    lines: dict[str, int] = {}
    for event in seen.events:
        if event.get("event") == "blocked" and event.get("where"):
            lines[event["where"]] = lines.get(event["where"], 0) + 1
    counts = sorted({s.blocked_count for s in kept})
    connected = sum(s.connections > 0 for s in kept)
    where = max(lines, key=lines.__getitem__) if lines else ""
    owner = "app" if where else "bokeh"
    detail = f"block counts {', '.join(map(str, counts))}"
    if any(counts):
        holder = "session.expiration_blocked_count"
        advice = (
            "pn.state.block_expiration() counts up every session of the app; unblock in a finally, "
            "or use sessionlab.harden.block_expiration()."
        )
    elif connected:
        holder, detail = "session.connection_count", f"{connected} count as connected, though their visitors have left"
        advice = "whoever takes the websocket has to tell Bokeh of its end: client_lost()."
        if "bokeh_fastapi" in seen.versions:
            owner = "bokeh-fastapi"
            advice = (
                "bokeh-fastapi does not notice that a websocket was closed (its issue 19): call a function of "
                "sessionlab.harden in the page, such as reconnect(), which mends that."
            )
    else:
        holder = "sessions that could not be discarded"
        advice = "look at the server's log for what fails when a session ends."
    chain = (holder, f"{len(kept)} sessions without a visitor", detail)
    culprit = _named(seen, Culprit(holder, len(kept) / visits, chain, where, owner, advice))
    seen.sizes.append(visits)
    result = _made(seen, "never-expires", (culprit,))
    return dataclasses.replace(result, per_session={**result.per_session, "sessions": len(kept) / visits})


def _made(seen: Evidence, verdict: str, culprits: tuple[Culprit, ...]) -> HuntResult:
    number = max(1, sum(last.created - first.created for first, last in seen.counts))

    def each(name: str) -> float:
        return max(0.0, sum(getattr(last, name) - getattr(first, name) for first, last in seen.counts) / number)

    grows = verdict in ("leak", "bounded", "undecided")
    heap = statistics.median(r for rates in seen.memory[-2:] for r in rates) if any(seen.memory[-2:]) else 0.0
    heap = 0.0 if seen.worked and not grows else heap
    size = max(0.0, heap) + (max(0.0, each("blocks")) * seen.small if grows else 0.0)
    explained = sum(c.bytes for c in culprits) if verdict == "leak" else 0.0
    if explained > 0 and abs(size - explained) < decision.BYTES_FLOOR:
        size = explained  # the rest is Panel's own, or the table that the holder doubles now and then
    least = decision.BYTES_FLOOR
    if seen.memory:
        least = decision.bytes_floor(seen.memory, explained=size if verdict == "leak" else 0.0)
    if explained > 0 and (missing := unexplained(size, explained, least, seen.batches)):
        seen.notes.append(missing)
    # what every second session leaves is plain in any two windows
    floor = max(decision.LEAST_RATE, min(0.5, decision.ENOUGH / max(1, sum(seen.sizes))))
    if verdict == "clean" and each("objects") >= floor:
        seen.notes.append("these objects came once, or come and go: no place gained some with every session.")
    return HuntResult(
        app=seen.app,
        verdict=verdict,
        sessions=seen.created,
        seconds=time.monotonic() - seen.started,
        per_session={
            "bytes": size,
            **{name: each(name) for name in ("objects", "documents", "models", "sessions", "threads")},
        },
        floor={
            "bytes": least,
            "objects": floor,
        },
        culprits=culprits,
        versions={k: v for k, v in seen.versions.items() if v},
        notes=tuple(seen.notes),
        batches=tuple(seen.batches),
    )
