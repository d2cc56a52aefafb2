"""What is decided, named and advised on the evidence of every application of the benchmark, without a server."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from replayed import FOLDER, answer_of, applications, recording_of, replayed

from sessionlab import report


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


@pytest.mark.parametrize("name", ["leaky-task", "innocent-bounded_lru", "innocent-blank", "leaky-block"])
def test_the_page_holds_what_was_found_and_nothing_of_others(name):
    result = replayed(json.loads((FOLDER / f"{name}.json").read_text("utf-8")))
    page = report.page(result)
    for culprit in result.culprits:
        for said in (culprit.holder, culprit.location, culprit.advice, report.growth(culprit), *culprit.chain):
            assert html.escape(said, quote=False).replace("'", "&#39;").replace('"', "&#34;") in page
    assert report.HEADLINE[result.verdict] in page and page.startswith("<!DOCTYPE html>")
    assert not re.search(r"(src|href)=.?(?!data:)http|\{[{%]", page), "it needs nothing else, and no template is left"
