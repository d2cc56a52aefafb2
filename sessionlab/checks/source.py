"""The application as a text: its files, their syntax trees, and what a dotted name in them stands for."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sessionlab import syntax

MOST_FILES = 60
MODULE_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Source:
    """One file of the application.

    ``served`` is true for a script that is run anew for every session, false for a module that is imported once.
    ``names`` maps what the file calls a thing to its full name: ``{"pn": "panel", "cache": "functools.cache"}``.
    """

    path: Path
    shown: str
    tree: ast.Module
    served: bool
    names: dict[str, str] = field(repr=False)

    def line(self, node: ast.expr | ast.stmt) -> str:
        return f"{self.shown}:{node.lineno}"

    def dotted(self, node: ast.AST) -> str:
        """The full name of ``pn.state.cache`` and the like; empty for anything that is not a name."""
        words = []
        while isinstance(node, ast.Attribute):
            words.append(node.attr)
            node = node.value
        if isinstance(node, ast.Call) and not words:
            return self.dotted(node.func)
        if isinstance(node, ast.Call):
            words.append(self.dotted(node.func) + "()")
        elif isinstance(node, ast.Name):
            words.append(self.names.get(node.id, node.id))
        else:
            return ""
        return ".".join(reversed(words))

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call, with the full name of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func)


def read_app(apps: Sequence[str | os.PathLike]) -> tuple[Source, ...]:
    """The files of the applications, and the modules beside them that they import.

    A file that cannot be read or parsed is left out: the server will say what is wrong with it.
    """
    found: dict[Path, Source] = {}
    waiting = [(path, served) for app in map(str, apps) for path, served in _files(app)]
    while waiting and len(found) < MOST_FILES:
        path, served = waiting.pop(0)
        path = path.resolve()
        if path in found or (tree := _parse(path)) is None:
            continue
        found[path] = source = Source(path, _shown(path), tree, served, _names(tree))
        waiting += [(module, False) for module in _imported(source)]
    return tuple(found.values())


def _files(app: str) -> Iterator[tuple[Path, bool]]:
    path = Path(app)
    if path.is_dir():
        yield from ((each, each.stem == "main") for each in (*path.glob("*.py"), *path.glob("*.ipynb")))
    elif path.is_file():
        yield path, True
    elif MODULE_FUNCTION.fullmatch(app):
        stem = Path(*app.partition(":")[0].split("."))
        yield from ((file, False) for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file())


def _parse(path: Path) -> ast.Module | None:
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
            text = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
        return syntax.parse(text)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, RecursionError):
        return None


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return path.name if relative.startswith(os.pardir) else relative


def _names(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _imported(source: Source) -> Iterator[Path]:
    """The modules that lie beside the file and are imported by it."""
    folder = source.path.parent
    for node in ast.walk(source.tree):
        wanted: list[str] = []
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            wanted = [base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)]
        for name in filter(None, wanted):
            stem = folder.joinpath(*name.split("."))
            yield from (file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file())
