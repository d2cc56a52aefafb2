"""The modules of 0.1 can be imported under the names that they had, and say the new ones."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import warnings

import pytest

from sessionlab import _moved

OLD = [
    ("sessionlab.visit.crowd", "visit_together", "sessionlab.client.crowd"),
    ("sessionlab.hunt.scenario", "use_widgets", "sessionlab.client.scenario"),
    ("sessionlab.hunt.result", "HuntResult", "sessionlab.leaks.result"),
    ("sessionlab.observe.client", "Probe", "sessionlab.probe.client"),
    ("sessionlab.load", "load", "sessionlab.capacity"),
    ("sessionlab.serve", "Server", "sessionlab.server"),
    ("sessionlab.audit.rules", "RULES", "sessionlab.checks.rules"),
    ("sessionlab.hunt.graph", "Walk", "sessionlab.agent.graph"),
    ("sessionlab.harden.drain", "drain", "sessionlab.harden.draining"),
]


@pytest.fixture
def forgotten():
    """The old names have not been imported before, nor afterwards."""

    def forget():
        import sessionlab.harden

        for name in [n for n in sys.modules if n.startswith("sessionlab.") and _moved._new(n.partition(".")[2])]:
            del sys.modules[name]
        for name in ("audit", "hunt", "load", "observe", "serve", "visit"):
            vars(sessionlab).pop(name, None)
        sessionlab.harden.drain = sessionlab.harden.draining.drain

    forget()
    yield
    forget()


@pytest.mark.parametrize(("old", "name", "new"), OLD)
def test_an_old_name_is_the_new_one_and_says_so(old, name, new, forgotten, recwarn):
    module = importlib.import_module(old)
    assert f"{old} is called {new} now, and will be gone in 0.3." in [str(told.message) for told in recwarn]
    assert getattr(module, name) is getattr(importlib.import_module(new), name)


def test_what_was_a_function_and_a_module_stays_both(forgotten):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("sessionlab.hunt.scenario")
    from sessionlab import hunt
    from sessionlab.errors import AppNotFound

    with pytest.raises(AppNotFound):
        hunt("nowhere.py")


@pytest.mark.server
def test_the_warning_names_the_line_of_the_import(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("\nfrom sessionlab.visit import get_page\nprint(get_page.__name__)\n")
    done = subprocess.run([sys.executable, "-W", "default", script], capture_output=True, text=True, check=True)
    assert done.stdout == "get_page\n" and f"{script}:2: DeprecationWarning: sessionlab.visit is called" in done.stderr


@pytest.mark.parametrize("name", ["sessionlab.nowhere", "sessionlab.hunt.nowhere"])
def test_what_never_was_is_not_found(name, forgotten, recwarn):
    with pytest.raises(ModuleNotFoundError, match=name):
        importlib.import_module(name)
    assert not [told for told in recwarn if "nowhere" in str(told.message)]


@pytest.mark.parametrize("new", sorted({f"sessionlab.{new}" for new in _moved.MOVED.values()}))
def test_the_new_name_is_there(new):
    assert importlib.util.find_spec(new) is not None


def test_what_the_package_offers_is_there_and_is_no_module(forgotten):
    import sessionlab

    offered = {name: getattr(sessionlab, name) for name in sessionlab.__all__}
    assert not [name for name, value in offered.items() if isinstance(value, type(sys))]
    assert set(sessionlab.__all__) <= set(dir(sessionlab))
