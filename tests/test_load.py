"""`sessionlab load`: what a session costs, what follows from it, and how it ends when it cannot go on."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionlab.capacity import Wanted, load, report
from sessionlab.capacity.advice import advise
from sessionlab.capacity.result import Load, Step
from sessionlab.errors import AppNotFound, InvalidOption
from sessionlab.sizes import read_size

MB = 10**6
SESSIONLAB = Path(sys.executable).with_name("sessionlab")
HEAVY = """
    import panel as pn

    kept = bytearray(b"x" * 8_000_000)
    pn.Column(pn.widgets.IntSlider(name="n"), str(len(kept))).servable()
"""
FULL = """
    import panel as pn
    from sessionlab.harden import SessionLimits

    SessionLimits(live=12).install()
    pn.Row("x").servable()
"""
DIES = """
    import os
    import panel as pn

    built = pn.state.cache["built"] = pn.state.cache.get("built", 0) + 1
    if built > 12:
        os._exit(7)
    pn.Row("x").servable()
"""


@pytest.fixture(scope="module")
def runs(app):
    """One run of the command and two of the function, at the same time."""
    command = [SESSIONLAB, "load", str(app(HEAVY)), "--visitors", "20", "--json"]
    picture = app("", "curves.png")
    with ThreadPoolExecutor() as pool:
        full, dies = (pool.submit(load, app(source), visitors=20) for source in (FULL, DIES))
        done = subprocess.run([*command, "--picture", str(picture), "--memory", "1 GB"], capture_output=True, text=True)
        return done, picture, full.result(), dies.result()


@pytest.mark.slow("three series of sessions")
@pytest.mark.server
def test_the_command_tells_what_a_session_costs(runs):
    done, picture, *_ = runs
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [step["sessions"] for step in found["steps"]] == list(range(0, 21, 2))
    assert 8 * MB < found["per_session"] < 12 * MB
    assert found["per_gigabyte"] == int(1e9 / found["per_session"])
    assert found["base"] > 30 * MB and not found["stopped"]
    assert all(step["build"] > 0 and step["roundtrip"] > 0 for step in found["steps"][1:])
    live = found["advice"]["live"]
    assert found["base"] + live * found["per_session"] <= 0.75e9 < found["base"] + (live + 1) * found["per_session"]
    assert "--unused-session-lifetime 31000" in found["advice"]["flags"]
    assert f"live={live}, " in found["advice"]["limits"]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow("three series of sessions")
@pytest.mark.server
def test_it_ends_early_when_visitors_are_refused(runs):
    full = runs[2]
    assert full.steps[-1].sessions == 12
    assert full.stopped.startswith("visitor 13: ") and "503" in full.stopped
    assert "it ended early" in str(full) and "12 sessions in one process" in str(full)


@pytest.mark.slow("three series of sessions")
@pytest.mark.server
def test_it_ends_early_when_the_process_ends(runs):
    dies = runs[3]
    assert dies.stopped == "the process ended with exit code 7."
    assert 2 <= dies.steps[-1].sessions < 12


@pytest.mark.parametrize("wrong", [{"visitors": 1}, {"visitors": 2.5}, {"rate": 0}, {"stay": -1}, {"memory": 0}])
def test_bad_input_leaves_nothing_behind(app, wrong):
    children = psutil.Process().children()
    with pytest.raises(InvalidOption):
        load(app(FULL), **wrong)
    assert psutil.Process().children() == children


@pytest.mark.server
def test_an_app_that_is_not_there(tmp_path):
    with pytest.raises(AppNotFound):
        load(tmp_path / "nothing.py")
    command = [SESSIONLAB, "load", str(tmp_path / "nothing.py"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3 and "There is no application" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(("text", "size"), [("800 MB", 800 * MB), ("2GiB", 2**31), ("1.5 gb", 1500 * MB), (1024, 1024)])
def test_sizes(text, size):
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1 GB", "0", "1 XB", "1e999"])
def test_what_is_no_size(text):
    with pytest.raises(InvalidOption):
        read_size(text)


@given(
    base=st.floats(50e6, 500e6),
    per_session=st.floats(1e5, 1e8),
    build=st.floats(0.001, 5),
    rate=st.none() | st.floats(0.001, 100),
    stay=st.floats(1, 1e5),
    outage=st.floats(1, 600),
)
def test_what_is_advised_fits(base, per_session, build, rate, stay, outage):
    wanted = Wanted(rate, stay, outage, 2**31)
    advice = advise(base, per_session, build, wanted)
    assert advice.memory < wanted.memory
    assert base + advice.live * per_session <= advice.memory
    assert advice.retained <= max(1, advice.live)
    assert advice.plan.lifetime > outage
    if advice.live:
        kept = stay + advice.plan.lifetime + advice.plan.check
        assert advice.rate * kept <= advice.live * 1.000001
        assert advice.rate * build <= 0.5 * 1.000001
        assert advice.processes * advice.rate >= (rate or 0) * 0.999999


def result() -> Load:
    """A test of 30 sessions that take 2 MB each, in a process of 200 MB."""
    looks = [Step(15 * n, 200 * MB + 30 * MB * n, 0.02 * n or None, 0.03 * n or None, 0.001) for n in range(3)]
    return Load("app.py", tuple(looks), 12.0, "", Wanted(rate=5.0))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result(), ("A gigabyte holds 500 sessions", "--unused-session-lifetime", "5 visits a second take")),
        (dataclasses.replace(result(), stopped="<b>refused</b>"), ("It ended early: &lt;b&gt;refused", "2.0 MB")),
        (dataclasses.replace(result(), wanted=Wanted(memory=100 * MB)), ("Not one session fits",)),
    ],
)
def test_a_load_test_as_a_page(tmp_path, found, said):
    file = tmp_path / "load.html"
    report.write_page(found, file)
    page = file.read_text()
    assert all(each in page for each in said), page
    assert f'alt="{found.alt}"' in page and page.count("<img") == 1
