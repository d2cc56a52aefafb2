"""What each room of the package may import of the others, and that nothing imports in a circle."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sessionlab.checks
import sessionlab.client
import sessionlab.harden
import sessionlab.leaks
from sessionlab.syntax import parse

SERVED = {"bokeh", "psutil", "tornado"}
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sessionlab"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def allowed() -> dict[str, set[str]]:
    """The table of CONTRIBUTING.md: room -> rooms that it may import."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.M)
    doors = {"cli", "pytest_plugin"}
    every = {room for room, _ in rows}
    words = {"everything": every - {"cli"}, "everything but the doors": every - doors - {"course"}}
    return {room: words.get(names.strip()) or set(re.findall(r"\w+", names)) for room, names in rows}


def room_of(module: str) -> str:
    """The command line is one room, in several files."""
    room = module.split(".")[1] if "." in module else "sessionlab"
    return "cli" if room.startswith("cli_") or room == "__main__" else room


class WithoutTypes(ast.NodeTransformer):
    """Leaves out what is imported for a type checker only."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(module: str, path: Path):
    """The modules of the package that a module imports, at the top or in a function."""
    for node in ast.walk(WithoutTypes().visit(parse(path.read_text()))):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            base = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{name.name}" for name in node.names]
        else:
            continue
        for name in names:
            while name and name not in MODULES:  # the name of a function or class is not a module
                name = name.rpartition(".")[0]
            if name and name != module:
                yield name


@functools.cache
def rooms() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        here = found.setdefault(room_of(module), set())
        here |= {room_of(name) for name in imports(module, path)} - {room_of(module), "sessionlab"}
    found.pop("sessionlab")
    return found


def test_every_room_stands_in_the_table():
    assert set(allowed()) == set(rooms())


@pytest.mark.parametrize("room", sorted(rooms()))
def test_a_room_imports_what_it_may(room):
    assert rooms()[room] <= allowed()[room]


def test_there_is_no_circle_between_rooms():
    for graph in (rooms(), allowed()):
        order = list(TopologicalSorter(graph).static_order())
        assert order.index("errors") < order.index("server") < order.index("cli")


def test_there_is_no_circle_between_modules():
    graph = {module: set(imports(module, path)) for module, path in MODULES.items()}
    # A package whose parts import one another through it ("from . import x") imports its parts, not itself.
    graph = {module: {name for name in names if not module.startswith(f"{name}.")} for module, names in graph.items()}
    list(TopologicalSorter(graph).static_order())


def test_a_circle_would_be_found():
    with pytest.raises(CycleError):
        list(TopologicalSorter(rooms() | {"errors": {"checks"}}).static_order())


def test_nobody_imports_the_course_but_the_command_line():
    assert [room for room, others in rooms().items() if "course" in others] == ["cli"]


def test_the_agent_imports_what_a_server_has_anyway():
    """At the top of its modules; what the application has imported by then, it may look for in `sys.modules`."""
    for path in [*(PACKAGE / "agent").glob("*.py"), PACKAGE / "syntax.py"]:
        tree = parse(path.read_text())
        names = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        strangers = {name for name in names if name.split(".")[0] not in sys.stdlib_module_names | SERVED}
        assert all(re.match(r"sessionlab(\.agent|\.syntax|$)", name) for name in strangers), path.name


def test_no_module_has_the_name_of_a_function():
    for package in (sessionlab, sessionlab.harden, sessionlab.client, sessionlab.leaks, sessionlab.checks):
        modules = {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == package.__name__}
        assert not modules & set(package.__all__)


@pytest.mark.server
@pytest.mark.parametrize(
    ("statement", "may_load"),
    [
        ("import sessionlab", set()),
        ("import sessionlab.agent.launch", {"bokeh", "tornado", "psutil"}),
        ("from sessionlab import serve", {"psutil"}),
    ],
)
def test_what_an_import_loads(statement, may_load):
    """The heavy packages of the lab are not loaded by those who do not need them."""
    heavy = {"bokeh", "panel", "param", "tornado", "psutil", "pandas", "matplotlib", "playwright", "jupyter_server"}
    heavy |= {"holoviews", "dask", "distributed", "typer", "rich", "prometheus_client"}
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = heavy & set(done.stdout.split())
    assert loaded <= may_load
