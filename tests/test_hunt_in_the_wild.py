"""Hunts of applications as people write them: programs, installed packages, callbacks that raise, odd objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
from hunting import hunt

from sessionlab import audit, report
from sessionlab.capacity import load
from sessionlab.errors import AppFailed

pytestmark = pytest.mark.server

SERVES = """
    import panel as pn

    pn.extension(notifications=True)

    def page():
        return pn.Column("# A page", pn.widgets.IntSlider(name="Most", end=10))

    if __name__ == "__main__":
        pn.serve({"page": page}, show=False)
"""
RAISES = """
    import panel as pn
    import store

    def work(event):
        store.RUNNING.append(event.obj)
        if store.limit() < 10:
            raise ValueError("no work today")
        store.RUNNING.remove(event.obj)

    pn.Column(pn.widgets.Button(name="Work", on_click=work)).servable()
"""
STORE = """
    RUNNING = []

    def limit():
        return 5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, source: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return write


@pytest.mark.parametrize("look", [hunt, audit, load])
def test_an_empty_page_is_no_verdict(folder, look):
    app = folder("program.py", SERVES)
    with pytest.raises(AppFailed, match="is empty") as caught:
        look(app, framework="panel")
    assert "program.py:10 calls panel.serve" in str(caught.value)
    assert "--framework program" in str(caught.value) and '"program:function"' in str(caught.value)


@pytest.mark.slow("two whole hunts")
def test_a_page_that_is_filled_when_it_is_loaded_is_not_empty(folder):
    late = """
        import panel as pn

        pn.state.onload(lambda: pn.Column("late").servable())
    """
    bare = """
        import panel as pn

        pn.template.BootstrapTemplate(title="Nothing but a template").servable()
    """
    for name, source in (("late.py", late), ("bare.py", bare)):
        assert hunt(folder(name, source), sessions=12, interact=False).verdict == "clean"


@pytest.mark.slow("a whole hunt")
def test_a_function_of_a_program_that_serves_is_hunted(folder):
    folder("program.py", SERVES)
    result = hunt("program:page", sessions=12)
    assert result.verdict in ("clean", "undecided") and result.sessions >= 12


@pytest.mark.slow("a whole hunt")
def test_an_exception_is_evidence_and_the_leak_behind_it_is_found(folder):
    folder("store.py", STORE)
    result = hunt(folder("raises.py", RAISES), sessions=24)
    assert result.verdict == "leak" and "store.RUNNING" in [culprit.holder for culprit in result.culprits]
    (raised,) = result.errors
    assert (raised.error, raised.location) == ("ValueError: no work today", "raises.py:8")
    assert raised.count >= 24
    (told,) = result.to_dict()["errors"]
    known = {"error": "ValueError: no work today", "location": "raises.py:8", "count": raised.count}
    assert known.items() <= told.items() and told["traceback"].endswith("ValueError: no work today")
    said = f"the application raised {raised.count} times at raises.py:8: ValueError: no work today"
    assert said in " ".join(str(result).replace("│", " ").split()) and said in report.fragment(result)


def test_an_audit_tells_the_line_that_raised(folder):
    folder("store.py", STORE)
    result = audit(folder("raises.py", RAISES), only=["app.errors"])
    assert result["app.errors"].status == "fail"
    assert "raised once at raises.py:8: ValueError: no work today" in result["app.errors"].measured


@pytest.mark.slow("a whole hunt")
def test_a_scenario_goes_on_where_a_callback_raises(folder):
    folder("store.py", STORE)
    scenario = folder("scenario.py", 'async def interact(session):\n    await session.click("Work")\n')
    result = hunt(folder("raises.py", RAISES), sessions=12, scenario=scenario)
    assert result.errors[0].location == "raises.py:8" and result.errors[0].count >= 12


@pytest.mark.slow("a whole hunt")
def test_objects_that_refuse_every_question_are_named(folder):
    folder("shelf.py", "KEPT = []\n\nclass Options:\n    def __getattr__(self, name):\n        raise KeyError(name)\n")
    source = "import panel as pn\nimport shelf\n\nshelf.KEPT.append(shelf.Options())\npn.Column('a page').servable()\n"
    result = hunt(folder("keeps.py", source), sessions=24)
    (found,) = result.culprits
    assert (result.verdict, found.holder, found.chain[-1]) == ("leak", "shelf.KEPT", "Options")
    assert found.location == "keeps.py:4" and found.grows_by == 1


@pytest.mark.slow("a whole hunt")
def test_a_name_a_session_in_the_standard_library_is_a_note(folder):
    source = """
        import inspect
        import panel as pn

        inspect.getmodule(compile("1", "elsewhere.py", "exec"))
        pn.Column("a page").servable()
    """
    result = hunt(folder("asks.py", source), sessions=24)
    assert result.verdict == "clean"
    assert any("inspect._filesbymodname" in note and "standard library" in note for note in result.notes)


@pytest.mark.slow("a whole hunt")
def test_an_installed_application_keeps_owner_line_and_advice(folder, tmp_path, monkeypatch):
    folder("lib/site-packages/mydash/__init__.py", "KEPT = []\n")
    view = """
        import panel as pn

        import mydash

        def page():
            mydash.KEPT.append(pn.widgets.Button(name="kept"))
            return pn.Column("a page")
    """
    folder("lib/site-packages/mydash/view.py", view)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib" / "site-packages"))
    (found,) = hunt("mydash.view:page", sessions=24).culprits
    assert (found.holder, found.owner) == ("mydash.KEPT", "app")
    assert found.location == os.path.join("mydash", "view.py") + ":7"
    assert "on_session_destroyed" in found.advice


@pytest.mark.slow("a whole hunt")
def test_a_leak_in_the_hardening_itself_is_seen(folder):
    source = """
        import panel as pn
        from sessionlab.harden import tickets

        tickets.__dict__.setdefault("FORGOTTEN", []).append(pn.widgets.Button(name="kept"))
        pn.Column("a page").servable()
    """
    (found,) = hunt(folder("hardened.py", source), sessions=24).culprits
    assert (found.holder, found.owner) == ("sessionlab.harden.tickets.FORGOTTEN", "sessionlab")


async def test_a_load_test_runs_within_an_event_loop_as_in_a_notebook(folder):
    result = load(folder("page.py", "import panel as pn\n\npn.Column('a page').servable()\n"), visitors=4)
    assert result.steps[-1].sessions == 4


def test_the_command_says_what_to_install_where_the_lab_is_not():
    without = "import sys; sys.modules['typer'] = None; from sessionlab.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", without, "hunt", "app.py"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "")
    assert "needs typer" in done.stderr and 'pip install "sessionlab[lab]"' in done.stderr


def test_the_command_says_that_a_page_is_empty(folder):
    program = folder("program.py", SERVES)
    command = [sys.executable, "-m", "sessionlab", "hunt", program, "--json", "--framework", "panel"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3 and "is empty" in done.stderr + done.stdout
    assert "clean" not in done.stdout and (not done.stdout or "verdict" not in json.loads(done.stdout))


# -- slow and busy ------------------------------------------------------------------------------------------------

STREAM = """
    import panel as pn
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

    pn.extension()
    source = ColumnDataSource({"x": [0], "y": [0]})
    plot = figure(height=200)
    plot.line("x", "y", source=source)

    def step():
        source.stream({"x": [len(source.data["x"])], "y": [1]}, rollover=500)

    pn.state.add_periodic_callback(step, period=20)
    pn.template.FastListTemplate(title="Live", main=[pn.pane.Bokeh(plot)]).servable()
"""
SLOW = """
    import time

    import panel as pn
    import store

    def work(event):
        time.sleep(1.2)
        store.RUNNING.append(event.obj)

    time.sleep(1.5)
    pn.widgets.Button(name="Work", on_click=work).servable()
"""
SOMETIMES = """
    import panel as pn

    number = pn.state.cache["number"] = pn.state.cache.get("number", 0) + 1
    if number % 2 == 0:
        raise ValueError("every second")
    pn.Column("# Sometimes").servable()
"""


@pytest.mark.slow("a whole hunt")
def test_a_stream_saturates_no_crowd_that_takes_heed_of_the_event_loop(folder):
    result = hunt(folder("stream.py", STREAM))
    assert result.verdict == "clean" and not any("one by one" in note for note in result.notes), result.notes
    # how many sessions that are is the machine's business; most of the time goes into visits, and not into waiting
    assert result.sessions >= 24 and result.sessions * result.pace["visit_seconds"] > 0.2 * result.seconds
    assert 0.02 < result.pace["busy"] < 1 and result.to_dict()["pace"]["busy"] == result.pace["busy"]


@pytest.mark.slow("a whole hunt")
def test_a_slow_application_is_judged_by_few_sessions(folder):
    folder("store.py", STORE)
    result = hunt(folder("slow.py", SLOW), max_seconds=60)
    assert result.verdict == "leak" and "store.RUNNING" in [culprit.holder for culprit in result.culprits]
    assert 8 <= result.sessions < 30 and result.pace["slowest"] > 1.1
    assert any("came one by one" in note for note in result.notes)


@pytest.mark.slow("a whole hunt")
def test_a_page_that_raises_in_some_visits_is_judged_all_the_same(folder):
    result = hunt(folder("sometimes.py", SOMETIMES), sessions=20)
    assert result.verdict == "clean"
    (raised,) = result.errors
    assert (raised.error, raised.location) == ("ValueError: every second", "sometimes.py:6")
    assert abs(raised.count - result.sessions / 2) <= 2
