"""`harden` needs Panel, Bokeh and Tornado, and nothing else: an application can use it without the lab."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sessionlab.syntax import parse

ROOT = Path(__file__).parent.parent
HARDEN = ROOT / "sessionlab" / "harden"
FRAMEWORKS = {"panel", "bokeh", "tornado"}
BROUGHT = {"numpy", "pandas", "param"}  # what Panel cannot be installed without


def optional(tree: ast.Module) -> set[ast.stmt]:
    """The imports that a file can do without: ``try: import x`` with ``except ImportError``."""
    attempts = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    return {
        statement
        for attempt in attempts
        if any(isinstance(h.type, ast.Name) and h.type.id == "ImportError" for h in attempt.handlers)
        for statement in attempt.body
    }


def imports(path: Path) -> set[str]:
    """The names of the modules that a file needs, anywhere in it; relative ones as ``sessionlab.…``."""
    names, tree = set(), parse(path.read_text())
    without = optional(tree)
    for node in ast.walk(tree):
        if node in without:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(["sessionlab", "harden"][: 3 - node.level]) if node.level else ""
            names.add(".".join(filter(None, [package, node.module])))
    return names


def strangers(names: set[str]) -> set[str]:
    own = {name for name in names if name == "sessionlab.harden" or name.startswith("sessionlab.harden.")}
    return {name for name in names - own if name.split(".")[0] not in FRAMEWORKS | BROUGHT | sys.stdlib_module_names}


@pytest.mark.parametrize("path", sorted(HARDEN.rglob("*.py")), ids=lambda path: path.stem)
def test_imports_only_the_frameworks_and_the_standard_library(path):
    assert not strangers(imports(path))


def test_the_check_sees_what_it_looks_for(tmp_path):
    (tmp_path / "module.py").write_text(
        "import psutil\nfrom ..server import x\nfrom .block import y\ndef f():\n    import scipy.linalg, json\n"
        "try:\n    import rich\nexcept ImportError:\n    pass\ntry:\n    import typer\nfinally:\n    pass\n"
    )
    assert strangers(imports(tmp_path / "module.py")) == {"psutil", "sessionlab.server", "scipy.linalg", "typer"}


def test_panel_brings_what_is_imported_besides():
    required = [line for line in importlib.metadata.requires("panel") if "extra ==" not in line]
    assert {re.match(r"[\w-]+", line)[0] for line in required} >= BROUGHT - {"numpy"}
    assert any(line.startswith("numpy") for line in importlib.metadata.requires("bokeh"))


def test_the_package_depends_on_the_frameworks_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {requirement.split(">")[0] for requirement in project["dependencies"]} == FRAMEWORKS


WITHOUT = """
import importlib.metadata, re, sys

def closure(name, found):
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key not in found:
        found.add(key)
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            return found
        for requirement in requires:
            if "extra ==" not in requirement:
                closure(re.match(r"[\\w.-]+", requirement)[0], found)
    return found

allowed = set().union(*[closure(name, set()) for name in ("panel", "bokeh", "tornado")])
distributions = importlib.metadata.packages_distributions()

class Forbid:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if name.startswith("sessionlab.") and not name.startswith("sessionlab.harden"):
            raise ImportError(f"{name} is of the lab")
        owners = {re.sub(r"[-_.]+", "-", owner).lower() for owner in distributions.get(top, [])}
        if owners and not owners & allowed and top != "sessionlab":
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Forbid())

for forbidden in ("psutil", "rich", "typer", "playwright", "matplotlib", "sessionlab.server"):
    try:
        __import__(forbidden)
    except ImportError:
        continue
    raise SystemExit(f"{forbidden} can be imported: this check checks nothing")

from sessionlab import harden
for name in harden.__all__:
    assert callable(getattr(harden, name)), name

import asyncio
from bokeh.server.contexts import ApplicationContext
from panel.io.application import Application
from panel.io.state import set_curdoc
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.ioloop import IOLoop
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler

async def main():
    server = ApplicationContext(Application(DocumentLifecycleHandler()), io_loop=IOLoop.current(), url="/app")
    line, headers = RequestStartLine("GET", "/app", "HTTP/1.1"), HTTPHeaders({"Host": "localhost"})
    session = await server.create_session_if_needed("a", HTTPServerRequest(start_line=line, headers=headers))
    with set_curdoc(session.document):
        harden.session_locals().word = "works"
        harden.on_session_destroyed(lambda context: print(harden.session_locals().word))
        with harden.block_expiration(linger=0):
            assert session.expiration_blocked
    await asyncio.sleep(0.01)
    session.request_expiration()
    await server._cleanup_sessions(10**9)
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


@pytest.mark.slow("an environment of its own is installed")
@pytest.mark.server
def test_works_where_only_the_frameworks_are_installed():
    """In a process in which nothing can be imported that the base dependencies do not bring."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "works\n"), done.stderr
