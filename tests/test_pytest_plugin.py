"""The mark and the fixtures in a project of somebody else's, where only the wheel is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sessionlab.leaks import Culprit, HuntResult
from sessionlab.pytest_plugin import Limits, explain, parse_size

ROOT = Path(__file__).parents[1]
CLEAN = """
    import panel as pn

    slider = pn.widgets.IntSlider(name="n", end=10)
    pn.Column(slider, pn.bind(lambda n: f"value {n}", slider)).servable()
"""
LEAKY = """
    import panel as pn
    import store

    page = pn.Column("kept")
    store.PAGES.append(page)
    page.servable()
"""
TESTS = """
    import sys

    import pytest

    import sessionlab


    def leaks(app, **options):
        return pytest.mark.limit_session_leaks(app, sessions=12, **options)


    @leaks("clean.py", bytes="2 KB", objects=0)
    def test_clean():
        assert "site-packages" in sessionlab.__file__


    @leaks("leaky.py", bytes="2 KB", objects=0)
    def test_leaky():
        raise RuntimeError("the body of a test whose application leaks does not run")


    @pytest.mark.limit_session_leaks(
        command=[sys.executable, "-m", "panel", "serve", "leaky.py", "--port", "{port}"], sessions=12, live=False
    )
    def test_started_by_a_command():
        raise RuntimeError("neither does this one")


    @leaks("nowhere.py")
    def test_no_such_app():
        pass


    @pytest.mark.asyncio
    async def test_fixtures(app_server, visitor, outage):
        server = app_server("clean.py", lifetime=20)
        wire = outage(server)
        session = await visitor(wire.url)
        await session.set("n", value=7)
        wire.cut()
        await session.reconnect()
        assert session.value("n") == 7
        left_open = await visitor(server.url)
        assert left_open.closed is None
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A project in a folder of its own. Its Python has this environment's libraries, but not this source tree."""
    folder = tmp_path_factory.mktemp("elsewhere")
    uv = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--offline"]
    subprocess.run(
        [*uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT],
        check=True,
    )
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([*uv, "venv", "--python", sys.executable, folder / "env"], check=True)
    wheel = next(folder.glob("sessionlab-*.whl"))
    subprocess.run([*uv, "pip", "install", "--python", python, "--no-deps", wheel], check=True)
    packages = next((folder / "env").rglob("site-packages"))
    # a path that is added so brings its libraries, but not what its own .pth files add: this source tree
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    project = folder / "project"
    project.mkdir()
    for name, source in {"clean.py": CLEAN, "leaky.py": LEAKY, "test_theirs.py": TESTS}.items():
        (project / name).write_text(textwrap.dedent(source))
    (project / "store.py").write_text("PAGES = []\n")
    options = "addopts = --strict-markers -W error -p no:cacheprovider\nasyncio_default_fixture_loop_scope = function\n"
    (project / "pytest.ini").write_text(f"[pytest]\n{options}")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHONPATH", "COV"))}
        return subprocess.run(
            [python, "-m", "pytest", *arguments], cwd=project, env=keep, capture_output=True, text=True
        )

    run.project = project
    yield run
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def outcome(elsewhere):
    """What each test of the project came to: ``passed``, or the text of its failure."""
    run = elsewhere("--junitxml=report.xml", "test_theirs.py")
    tree = ElementTree.parse(elsewhere.project / "report.xml")
    cases = {case.get("name"): case for case in tree.iter("testcase")}
    assert len(cases) == 5, run.stdout + run.stderr
    return {
        name: next((f.text for f in case if f.tag in ("failure", "error")), "passed") for name, case in cases.items()
    }


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
@pytest.mark.parametrize("name", ["test_clean", "test_fixtures"])
def test_what_keeps_the_limits_passes(outcome, name):
    assert outcome[name] == "passed"


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
def test_a_leak_fails_the_test_with_its_chain(outcome):
    text = outcome["test_leaky"]
    assert text.startswith("leaky.py: leak")
    assert re.search(r"^E   store\.PAGES\nE +└ panel Column$", text, re.MULTILINE)
    assert re.search(r"^    grows by 1 a session, .* of Python objects$", text, re.MULTILINE)
    assert "put there at leaky.py:6" in text and "what to do:" in text
    assert "allowed: 2.0 KB, 0 objects" in text
    assert "RuntimeError" not in text and "pytest_plugin.py" not in text


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
def test_what_a_command_starts_is_hunted_under_its_name(outcome):
    first, _, rest = outcome["test_started_by_a_command"].partition("\n")
    assert "-m panel serve leaky.py --port {port}: leak" in first
    assert "store.PAGES" in rest and "allowed: nothing" in rest


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
def test_an_application_that_cannot_be_hunted_says_so(outcome):
    assert "nowhere.py could not be hunted" in outcome["test_no_such_app"]
    assert "There is no application" in outcome["test_no_such_app"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, ["store.PAGES", "store.NAMES"]),
        ({"bytes": "2 KB", "objects": 0}, ["store.PAGES", "store.NAMES"]),
        ({"bytes": "1 MB"}, []),
        ({"bytes": "1 MB", "objects": 0.5}, ["store.PAGES"]),
        ({"bytes": "2 KB", "ignore": r"store\.PAGES"}, ["store.NAMES"]),
        ({"ignore": ("PAGES", "NAMES")}, []),
    ],
)
def test_limits_let_pass_what_is_small_or_known(options, named):
    culprits = [
        Culprit("store.PAGES", 1.0, ("store.PAGES", "panel Column"), "leaky.py:6", "app", "", 9000.0),
        Culprit("store.NAMES", 0.2, ("store.NAMES", "str"), "leaky.py:7", "app", "", 60.0),
    ]
    result = HuntResult("leaky.py", "leak", 60, 9.0, {"bytes": 9060.0}, {"bytes": 1024.0}, tuple(culprits), {})
    limits = Limits.of(pytest.Mark("limit_session_leaks", ("leaky.py",), options, _ispytest=True))
    assert [culprit.holder for culprit in limits.breaches(result)] == named


def test_what_is_counted_in_bytes_grows_by_bytes():
    table = Culprit("store.TABLE", 16000.0, ("store.TABLE", "DataFrame"), "leaky.py:6", "app", "", 16000.0)
    result = HuntResult("leaky.py", "leak", 60, 9.0, {"bytes": 16000.0}, {"bytes": 1024.0}, (table,), {})
    limits = Limits.of(pytest.Mark("limit_session_leaks", ("leaky.py",), {"bytes": "2 KB"}, _ispytest=True))
    assert "    grows by 16.0 KB a session\n" in explain(limits, result, limits.breaches(result))


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((), {}, "takes one application"),
        (("a.py", "b.py"), {"command": "panel serve"}, "got 'a.py', 'b.py'"),
        (("a.py", "b.py"), {}, "got 'a.py', 'b.py'"),
        (("a.py",), {"byte": 3}, "got 'a.py', byte"),
        (("a.py",), {"bytes": "2 parsecs"}, "'2 parsecs' is no size"),
        (("a.py",), {"bytes": -1}, "-1 is no size"),
        (("a.py",), {"objects": -1}, "objects=-1 is no number"),
        (("a.py",), {"ignore": "("}, "is no regular expression"),
    ],
)
def test_a_mark_that_cannot_be_read_says_what_is_wrong(arguments, options, text):
    mark = pytest.Mark("limit_session_leaks", arguments, options, _ispytest=True)
    with pytest.raises(pytest.UsageError, match=re.escape(text)):
        Limits.of(mark)


def test_sizes_are_numbers_or_text():
    assert [parse_size(s) for s in (512, "2 KB", "1.5 MiB", "10")] == [512, 2000, 1.5 * (1 << 20), 10]


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
def test_a_mark_that_cannot_be_read_stops_the_run_with_one_line(elsewhere):
    source = "import pytest\n@pytest.mark.limit_session_leaks('clean.py', bites=3)\ndef test_it(): pass\n"
    (elsewhere.project / "test_wrong.py").write_text(source)
    run = elsewhere("test_wrong.py")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.stdout + run.stderr
    assert "test_wrong.py::test_it" in run.stderr and "bites" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
