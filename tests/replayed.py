"""Hunts whose evidence was kept: the decision, the names and the advice can be told again without a server.

    python tests/replayed.py [NAME …]    hunt the applications of the benchmark, and store evidence and answers

A recording holds what the probe said at the end of a hunt, as the hunter got it, and the answer that it came to:
verdict, culprits and notes. Paths are relative to the repository (``{root}``) and to the packages (``{site}``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hunting import hunt

from sessionlab.leaks import decision, hunter, outcome
from sessionlab.leaks.advice import holders_in
from sessionlab.leaks.outcome import Evidence
from sessionlab.leaks.result import Batch, HuntResult

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "hunts"
APPS = ROOT / "benchmarks" / "apps"
PLACES = {"{root}": str(ROOT), "{site}": sysconfig.get_path("purelib"), "{python}": sysconfig.get_path("stdlib")}
TOLD_OF, TOLD = ("hook failed", "blocked"), ("event", "where", "hook", "callback", "error")  # of the timeline
COUNTED = ("created", "objects", "documents", "models", "sessions", "threads", "heap", "blocks")


def applications() -> list[Path]:
    return [
        path
        for path in sorted(APPS.glob("*/*.py"))
        if path.parent.name not in ("soak", "deploys") and path.stem[0] != "_"
    ]


def recording_of(app: Path) -> Path:
    return FOLDER / f"{app.parent.name}-{app.stem}.json"


def answer_of(result: HuntResult) -> dict:
    """What a result says that does not depend on the machine."""
    shown = result.to_dict()
    culprits = [
        {name: culprit[name] for name in ("holder", "owner", "location", "advice", "chain")}
        for culprit in shown["culprits"]
    ]
    return {"verdict": shown["verdict"], "culprits": culprits, "notes": shown["notes"]}


def replayed(recording: dict) -> HuntResult:
    """The result of a recorded hunt, decided anew."""
    recording = _translated(recording, {place: path for place, path in PLACES.items()})
    seen = Evidence(**recording["evidence"])
    seen.batches = [Batch(**batch) for batch in seen.batches]
    seen.counts = [tuple(SimpleNamespace(**census) for census in pair) for pair in seen.counts]
    if (kept := recording["blocked"]) is not None:
        return outcome.blocked(
            seen, [SimpleNamespace(blocked_count=count, connections=0) for count in kept["counts"]], kept["visits"]
        )
    judgement = decision.decide(holders_in(recording["holders"]), **recording["decision"])
    findings = tuple(hunter._forgotten(f, set(recording["forgotten"])) for f in judgement.findings)
    return outcome.result(seen, dataclasses.replace(judgement, findings=findings))


def record(app: Path) -> dict:
    """Hunt an application; what the hunter was told, and what it answered."""
    heard: dict = {"holders": [], "decision": None, "forgotten": [], "blocked": None}

    def decide(holders, sessions, memory, *, final):
        heard["decision"] = {"sessions": list(sessions), "memory": list(map(list, memory)), "final": final}
        return kept_decide(holders, sessions, memory, final=final)

    def holders(rows):
        heard["holders"] = rows
        return holders_in(rows)

    def result(seen, judgement):
        heard["evidence"] = _plain(seen)
        heard["forgotten"] = [f.holder.holder for f in judgement.findings if f.why == "what is old is let go of"]
        return kept_result(seen, judgement)

    def blocked(seen, kept, visits):
        heard["evidence"] = _plain(seen)
        heard["blocked"] = {"counts": [session.blocked_count for session in kept], "visits": visits}
        return kept_blocked(seen, kept, visits)

    kept_decide, kept_result, kept_blocked = decision.decide, outcome.result, outcome.blocked
    with contextlib.ExitStack() as patches:
        for place, name, double in (
            (decision, "decide", decide),
            (hunter, "holders_in", holders),
            (outcome, "result", result),
            (outcome, "blocked", blocked),
        ):
            patches.enter_context(mock.patch.object(place, name, double))
        heard["answer"] = answer_of(hunt(app, max_seconds=300))
    return _translated(heard, {path: place for place, path in PLACES.items()})


def _plain(seen: Evidence) -> dict:
    kept = {field.name: getattr(seen, field.name) for field in dataclasses.fields(seen) if field.name != "started"}
    kept["counts"] = [[{name: getattr(c, name) for name in COUNTED} for c in pair] for pair in seen.counts]
    kept["events"] = [
        {name: event[name] for name in TOLD if name in event} for event in seen.events if event["event"] in TOLD_OF
    ]
    return json.loads(json.dumps(kept, default=dataclasses.asdict))


def _translated(recording: dict, places: dict[str, str]) -> dict:
    text = json.dumps(recording)
    for old, new in places.items():
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    return json.loads(text)


def main(names: list[str]) -> None:
    for app in applications():
        if not names or app.stem in names:
            recording = record(app)
            recording_of(app).write_text(json.dumps(recording, indent=1) + "\n", "utf-8")
            same = answer_of(replayed(recording)) == recording["answer"]
            print(app.stem, recording["answer"]["verdict"], "" if same else "NOT THE SAME AGAIN")


if __name__ == "__main__":
    main(sys.argv[1:])
