"""What a program is, told from its syntax tree: nothing of it is run.

``panel serve`` and ``bokeh serve`` treat an application differently, and a program that starts a server of its own
has an empty page under both. Its imports and its calls say which it is, in whatever form they are written.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sessionlab import syntax
from sessionlab.errors import AppFailed

# whoever imports one of these has Panel in the process
PANEL = re.compile(r"(panel|holoviews|hvplot|geoviews|param|lumen|panel_\w+)(\.|$)")
BOKEH = re.compile(r"bokeh(\.|$)")
IMPORTERS = ("import_module", "__import__")
SERVE = re.compile(
    r"panel\.(serve|show|io\.(server|fastapi)\.(serve|get_server))"
    r"|bokeh\.server\.(server\.)?Server|uvicorn\.(run|Server)"
)
MOST = 200  # files of an application that are read


class Way(NamedTuple):
    """How an application is served: ``framework`` is panel, bokeh, program, fastapi or command; and ``why`` so.

    ``name`` is what a module calls its FastAPI application.
    """

    framework: str
    why: str
    name: str = ""

    def __str__(self) -> str:
        how = {
            "program": "as a program of its own",
            "fastapi": "by uvicorn",
            "command": "by a command of its own",
        }
        return f"{how.get(self.framework, f'by `{self.framework} serve`')}: {self.why}"


def way_of(app, panel_args: Sequence[str] = ()) -> Way:
    """How an application is served, as its source says.

    It is a ``program`` if it starts a server by itself and marks nothing as what a page shows, or starts one whenever
    it is imported; a ``fastapi`` if it makes an application of FastAPI, ``bokeh`` if it imports Bokeh and nothing of
    Panel in any of its files; else ``panel``.

    Parameters
    ----------
    app : a path, ``"module:function"``, or a list of these. What cannot be read or parsed counts as Panel's.
    panel_args : further arguments of the server; with any, it is not Bokeh's.
    """
    programs = list(_programs(app))
    if len(_listed(app)) == 1 and Path(_listed(app)[0]).suffix == ".py":
        shows = any(map(_shows, programs))
        if (call := serves_itself(app)) and (not shows or any(map(_serves_at_once, programs))):
            return Way("program", call)
        if call:
            return Way("panel", f"something in it is .servable(), although {call}")
        if programs and not shows and (made := _fastapi(programs[0])):
            return Way("fastapi", f"{programs[0][0].name}:{made[1]} makes the FastAPI {made[0]!r}", made[0])
    names = [(path, name) for path, tree in programs for name in _imports((path, tree))]
    of_panel, of_bokeh = ([f"{p.name} imports {n}" for p, n in names if kind.match(n)] for kind in (PANEL, BOKEH))
    if of_bokeh and not of_panel and not panel_args:
        return Way("bokeh", f"{of_bokeh[0]}, and nothing of Panel")
    return Way("panel", of_panel[0] if of_panel else "nothing in it says otherwise")


def _fastapi(program: tuple[Path, ast.AST | None]) -> tuple[str, int] | None:
    """Name and line of the first application of FastAPI that a module makes, if there are pages of Bokeh in it."""
    _, tree = program
    known = _known_as(tree)
    if not any(name.startswith(("panel.io.fastapi", "bokeh_fastapi")) for name in known.values()):
        return None
    for node in getattr(tree, "body", ()):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made)):
                if _full_name(made, known) in ("fastapi.FastAPI", "fastapi.applications.FastAPI"):
                    return name, node.lineno
    return None


def _shows(program: tuple[Path, ast.AST | None]) -> bool:
    """Whether a file marks what is on a page: with ``.servable()``, or by adding to ``curdoc()``."""
    _, tree = program
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call)) if tree else ()
    return any(getattr(f, "attr", getattr(f, "id", "")) in ("servable", "curdoc") for f in calls)


def serves_itself(app) -> str:
    """The call by which a program starts a server of its own, as ``app.py:12 calls panel.serve``; else empty."""
    for path, tree in _programs(app):
        known = _known_as(tree)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Call) and (name := _called(node.func, known)):
                return f"{path.name}:{node.lineno} calls {name}"
    return ""


def _serves_at_once(program: tuple[Path, ast.AST | None]) -> bool:
    """Whether to import a file is to start a server: under `panel serve` that would be one more for every visitor."""
    _, tree = program
    known = _known_as(tree)
    waiting = list(getattr(tree, "body", ()))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.If):
            continue  # not run, or not always
        if isinstance(node, ast.Call) and SERVE.fullmatch(_full_name(node.func, known)):
            return True
        waiting += ast.iter_child_nodes(node)
    return False


def nothing_to_look_at(route: str, app) -> AppFailed:
    """The error for a page that has nothing on it: no verdict can be given about that."""
    apps = _listed(app)
    call = serves_itself(apps)
    stem = Path(apps[0]).stem.partition(":")[0]
    return AppFailed(
        f"The page {route} is empty.",
        why=f"{call}: does the program serve by itself? Under `panel serve` only what is .servable() is on the page."
        if call
        else "Nothing of the application is .servable(), or added to curdoc(). Does the program serve by itself?",
        advice=f'if it does, serve it as a program (framework="program", --framework program) or by a command '
        f"(--command); else mark what the page shows with .servable(), or give the function that makes it, as "
        f'"{stem}:function". No verdict was given.',
    )


def _listed(app) -> list[str]:
    return [os.fspath(app)] if isinstance(app, str | os.PathLike) else [os.fspath(each) for each in app]


def _programs(app) -> Iterator[tuple[Path, ast.AST | None]]:
    """Every file of the applications with its tree, and the files beside them that they import, each once."""
    waiting: list[Path] = []
    seen: set[Path] = set()
    for each in map(Path, _listed(app)):
        waiting += sorted([*each.glob("*.py"), *each.glob("*.ipynb")]) if each.is_dir() else [each]
    while waiting and len(seen) < MOST:
        path = waiting.pop(0)
        if path.resolve() in seen or not path.is_file():
            continue
        seen.add(path.resolve())
        tree = _tree(path)
        yield path, tree
        waiting += _beside(path, tree)


def _tree(path: Path) -> ast.AST | None:
    """The syntax tree of a script or of a notebook's code cells; None for what is no Python."""
    with contextlib.suppress(OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = path.read_bytes()
        return syntax.parse(_code_of(json.loads(text)) if path.suffix == ".ipynb" else text)
    return None


def _code_of(notebook: dict) -> str:
    """The code cells as one script, without the lines that are for IPython."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return "\n".join(
        re.sub(r"^([ \t]*)[%!?].*$", r"\1pass", cell, flags=re.M) for cell in cells if not cell.startswith("%%")
    )


def _imports(program: tuple[Path, ast.AST | None]) -> Iterator[str]:
    """Names of all modules that are imported, at the top or anywhere; unreadable Python stands for Panel."""
    _, tree = program
    if tree is None:
        yield "panel"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in IMPORTERS and isinstance(node.args[0].value, str):
                yield node.args[0].value


def _beside(path: Path, tree: ast.AST | None) -> Iterator[Path]:
    """Modules of the application's own folder that a file imports."""
    names = {name for name in _imports((path, tree)) if tree}
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.ImportFrom) and node.level:
            base = f"{node.module}." if node.module else ""
            names |= {node.module or "", *(base + alias.name for alias in node.names)}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    for name in sorted(filter(None, names)):
        place = path.parent.joinpath(*name.split("."))
        yield from (place.with_suffix(".py"), place / "__init__.py")


def _known_as(tree: ast.AST | None) -> dict[str, str]:
    """Names of a file -> what they were imported from: ``pn`` -> ``panel``, ``serve`` -> ``panel.serve``."""
    known = {}
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _full_name(function: ast.expr, known: dict[str, str]) -> str:
    """``panel.serve`` for ``pn.serve``; empty for what is called on anything but an imported name."""
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.insert(0, function.attr)
        function = function.value
    return ".".join([known[function.id], *parts]) if isinstance(function, ast.Name) and function.id in known else ""


def _called(function: ast.expr, known: dict[str, str]) -> str:
    """The full name of a call that serves, else empty: ``.show()`` of anything is one where Panel is imported."""
    if SERVE.fullmatch(name := _full_name(function, known)):
        return name
    shows = isinstance(function, ast.Attribute) and function.attr == "show" and any(map(PANEL.match, known.values()))
    return ".show()" if shows else ""
