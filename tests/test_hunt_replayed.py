"""What is decided, named and advised on the evidence of every application of the benchmark, without a server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from replayed import answer_of, applications, recording_of, replayed


def recorded(app: Path) -> dict:
    return json.loads(recording_of(app).read_text("utf-8"))


def head_of(app: Path) -> dict[str, str]:
    """What the head of an application of the benchmark says is true of it."""
    return dict(re.findall(r"^# (\w+): (.+)$", app.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("app", applications(), ids=lambda app: f"{app.parent.name}-{app.stem}")
def test_the_answer_is_true_and_the_one_that_was_recorded(app):
    recording = recorded(app)
    answer = answer_of(replayed(recording))
    head = head_of(app)
    if app.parent.name == "innocent":
        assert answer["verdict"] in ("clean", "bounded")
    else:
        assert answer["verdict"] == head.get("verdict", "leak")
        assert any(re.search(head["holder"], culprit["holder"]) for culprit in answer["culprits"])
    assert answer == recording["answer"]
