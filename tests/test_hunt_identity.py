"""What tells one leak from another, whom to tell, and leaks that are known."""

from __future__ import annotations

import dataclasses
import json
import textwrap

import pytest
from typer.testing import CliRunner

from sessionlab import report
from sessionlab.cli import app as cli
from sessionlab.errors import InvalidOption
from sessionlab.leaks import HuntResult, hunt
from sessionlab.leaks.decision import Holder
from sessionlab.leaks.identity import read_baseline, report_to, signature
from sessionlab.leaks.result import Culprit
from sessionlab.pytest_plugin import Limits


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shared.KEPT", "shared.KEPT"),
        ("Thread(work) started at app.py:12", "Thread(work) started at app.py:40"),
        ("app.work at 0x7f3a", "app.work at 0x80ff"),
        ("Thread-3 (work)", "Thread-12 (work)"),
    ],
)
def test_a_signature_outlives_lines_and_addresses(one, other):
    assert signature(one, "app") == signature(other, "app") and len(signature(one, "app")) == 16


def test_other_leaks_have_other_signatures():
    names = ["shared.KEPT", "shared.SEEN", "shared.KEPT2", "other.KEPT"]
    assert len({signature(name, owner) for name in names for owner in ("app", "panel")}) == 8


@pytest.mark.parametrize(
    ("owner", "through", "whom"),
    [
        ("app", ["panel"], "app"),
        ("panel", ["panel"], "panel 1.9.4"),
        ("panel", ["param", "panel_material_ui", "app"], "panel-material-ui 0.16.6"),
        ("panel", ["param", "app"], "app"),
        ("lumen", ["app"], "lumen"),
    ],
)
def test_whoever_came_to_the_framework_is_told(owner, through, whom):
    known = {"panel": "panel 1.9.4", "panel_material_ui": "panel-material-ui 0.16.6"}
    assert report_to(Holder("x", owner=owner, through=through), owner, known) == whom


def result_of(*holders: str, verdict: str = "leak") -> HuntResult:
    culprits = tuple(Culprit(name, 1.0, (name,), "", "app", "", 2.0, signature(name, "app"), "app") for name in holders)
    return HuntResult("app.py", verdict, 20, 1.0, {"bytes": 2000.0}, {"bytes": 1.0, "objects": 0.1}, culprits, {})


def test_a_leak_of_the_baseline_does_not_fail(tmp_path):
    file = tmp_path / "known.json"
    result_of("shared.KEPT").write_baseline(file)
    known = read_baseline(file)
    same = dataclasses.replace(result_of("shared.KEPT"), known=known)
    more = dataclasses.replace(result_of("shared.KEPT", "shared.NEW"), known=known)
    assert (same.exit_code, more.exit_code, result_of("shared.KEPT").exit_code) == (0, 1, 1)
    assert [culprit.holder for culprit in more.new] == ["shared.NEW"]
    assert "known: shared.KEPT" in str(more) and "known: shared.KEPT" in more._repr_html_()
    assert same.to_dict()["known"] == list(known) and same.verdict == "leak"
    limits = Limits("app.py")
    assert not limits.breaches(same) and [each.holder for each in limits.breaches(more)] == ["shared.NEW"]


def test_the_page_tells_what_is_known_whom_to_tell_and_what_was_visited():
    found = result_of("shared.KEPT", "shared.NEW")
    new = dataclasses.replace(found.culprits[1], owner="panel", report_to="panel-material-ui 0.16.6")
    known = frozenset({found.culprits[0].signature})
    sizes = {"bytes": 2000.0, "objects": 3.0}
    whole = dataclasses.replace(
        found,
        culprits=(found.culprits[0], new),
        known=known,
        per_session=sizes,
        served="by uvicorn",
        pages=("/a", "/b"),
    )
    page = report.page(whole)
    assert "known: shared.KEPT" in page and "<b>1</b>place holds them" in page
    assert "Report to: panel-material-ui 0.16.6" in page and "Served by uvicorn; visited /a, /b" in page
    assert "served by uvicorn; visited /a, /b" in whole._repr_html_()


def test_every_file_that_will_be_written_is_made_sure_of_first(tmp_path):
    for option in ("--html", "--write-baseline"):
        other = {"--html": "--write-baseline", "--write-baseline": "--html"}[option]
        words = ["hunt", "no_such_app.py", other, str(tmp_path / "fine"), option, str(tmp_path / "none" / "file")]
        ended = CliRunner().invoke(cli, words)
        assert ended.exit_code == 3 and "There is no folder" in ended.stderr


def test_a_clean_hunt_writes_an_empty_baseline(tmp_path):
    result_of("a cache", verdict="bounded").write_baseline(tmp_path / "known.json")
    assert read_baseline(tmp_path / "known.json") == frozenset()


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2, "leaks": []}', '{"version": 1, "leaks": [1]}'])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    file = tmp_path / "known.json"
    file.write_text(text)
    with pytest.raises(InvalidOption, match="cannot be read") as error:
        hunt("app.py", baseline=file)
    assert "--write-baseline" in str(error.value)


def test_ignore_may_be_a_function_of_the_culprit():
    result = result_of("shared.KEPT", "shared.NEW")
    limits = Limits("app.py", ignore=(lambda culprit: culprit.holder.endswith("NEW"),))
    assert [each.holder for each in limits.breaches(result)] == ["shared.KEPT"]


LIBRARY = """
    import param
    import panel as pn

    class Page(param.Parameterized):
        busy = param.Boolean(allow_refs=True)

        def __init__(self):
            super().__init__()
            self.busy = pn.state.param.busy
"""


@pytest.mark.slow("two whole hunts")
@pytest.mark.server
def test_a_library_that_subscribes_is_told_and_once_known_it_does_not_fail(tmp_path, monkeypatch):
    place = tmp_path / "site-packages" / "shelf_ui.py"
    place.parent.mkdir()
    place.write_text(textwrap.dedent(LIBRARY))
    app = tmp_path / "app.py"
    app.write_text("import panel as pn\nimport shelf_ui\npage = shelf_ui.Page()\npn.Column('# Page').servable()\n")
    monkeypatch.setenv("PYTHONPATH", str(place.parent))
    file = tmp_path / "known.json"
    command = ["hunt", str(app), "--json", "--sessions", "16", "--no-live"]
    first = CliRunner().invoke(cli, [*command, "--write-baseline", str(file)])
    found = json.loads(first.stdout)
    (culprit,) = found["culprits"]
    assert (first.exit_code, found["verdict"], culprit["owner"]) == (1, "leak", "panel")
    assert culprit["report_to"] == "shelf_ui"
    second = CliRunner().invoke(cli, [*command, "--baseline", str(file)])
    assert second.exit_code == 0 and json.loads(second.stdout)["known"] == [culprit["signature"]]
