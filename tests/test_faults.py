"""An agent that does not fit this Panel or Bokeh any more says so in every result."""

from __future__ import annotations

import types

from sessionlab.checks import report
from sessionlab.checks.result import AuditResult
from sessionlab.leaks.outcome import Evidence
from sessionlab.monitor import texts
from sessionlab.monitor.record import Record
from sessionlab.probe.client import Probe


def probe_that_hears(errors: list[str]) -> Probe:
    probe = Probe("http://127.0.0.1:9", "token")
    probe.hello = lambda: {"errors": errors, "versions": {"panel": "1.9.4"}}
    probe.timeline = lambda: types.SimpleNamespace(events=[])
    probe.census = lambda: types.SimpleNamespace(created=12)
    probe.ask = lambda method, name: {name: {}}
    return probe


def test_a_hunt_notes_what_the_agent_failed_to_see():
    probe = probe_that_hears(["created: AttributeError('no such name')"])
    (note,) = Evidence("app.py").close(probe).notes
    assert note == (
        "the lab's agent failed, and what it tells of sessions has gaps: created: AttributeError('no such name')."
    )
    assert not Evidence("app.py").close(probe_that_hears([])).notes


def test_an_audit_tells_it_in_every_form():
    result = AuditResult("app.py", (), 1.0, {}, notes=("the lab's agent failed <here>",))
    assert "note: the lab's agent failed <here>" in str(result)
    assert "note: the lab&#x27;s agent failed &lt;here&gt;" in result._repr_html_()
    assert "note: the lab&#39;s agent failed &lt;here&gt;" in report.page(result)
    assert result.to_dict()["notes"] == ["the lab's agent failed <here>"]
    assert "note" not in str(AuditResult("app.py", (), 1.0, {}))


def test_the_monitor_says_that_it_has_gaps():
    record = Record()
    answer = {"pid": 1, "workers": [1], "ports": {}}
    timeline = {**answer, "events": [], "next": 1, "dropped": 0, "memory": [], "monotonic": 100.0}
    sessions = {**answer, "sessions": []}
    record.take([{**timeline, "errors": []}], [sessions], now=1000.0)
    assert "Live" in texts.status(record.view(), 1000.0)
    record.take([{**timeline, "errors": ["created: KeyError('<app>')"]}], [sessions], now=1001.0)
    said = texts.status(record.view(), 1001.0)
    assert "With gaps" in said and "created: KeyError(&#x27;&lt;app&gt;&#x27;)" in said
