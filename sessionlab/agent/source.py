"""What the application's source says about a container: where it is filled, where emptied, and its bound.

Runs in the served process: standard library only. Containers are known here by the last word of their name
(``HISTORY``, ``self._items`` -> ``_items``). A bound counts only together with something that removes items.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from sessionlab.agent.plain import read
from sessionlab.agent.where import is_app_file, shown
from sessionlab.syntax import parse

FILLS = re.compile(r"append(left)?|add|insert|extend|setdefault|update|put(_nowait)?|push|register|write")
EMPTIES = re.compile(r"pop(item|left)?|remove|discard|clear|truncate|move_to_end")


@dataclass(frozen=True)
class Use:
    """``filled`` and ``emptied`` are lines as ``app.py:14``; ``bound`` is the size that the source compares with."""

    filled: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    bound: int | None = None
    bound_at: str = ""


def use_of(name: str, files: tuple[str, ...]) -> Use:
    """How the application uses what it calls ``name``."""
    filled, emptied, bound, bound_at = [], [], None, ""
    for file in files:
        tree, constants = _parsed(file)
        for node in ast.walk(tree) if tree else ():
            line = f"{shown(file)}:{getattr(node, 'lineno', 0)}"
            if _fills(node, name):
                filled.append(line)
            if _empties(node, name):
                emptied.append(line)
            size = _bound(node, name, constants)
            if size is not None:
                bound, bound_at = size, line
    return Use(tuple(filled), tuple(emptied), bound if emptied else None, bound_at if emptied else "")


def shrinks_anywhere(files: tuple[str, ...]) -> bool:
    """Whether the application removes items from any container at all."""
    for file in files:
        tree, _ = _parsed(file)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Delete) or EMPTIES.fullmatch(_method(node)):
                return True
    return False


def app_files(scripts: tuple[str, ...]) -> tuple[str, ...]:
    """The served scripts and the files of the modules that the application brought along."""
    modules = [read(m, "__file__") for m in tuple(sys.modules.values())]
    return tuple(dict.fromkeys([*scripts, *(f for f in modules if isinstance(f, str) and is_app_file(f))]))


def forget() -> None:
    """Let go of the files that were read."""
    _parsed.cache_clear()


@functools.lru_cache(maxsize=256)
def _parsed(file: str):
    try:
        text = Path(file).read_text(encoding="utf-8")
        if file.endswith(".ipynb"):
            cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
            text = "\n".join("".join(c["source"]) for c in cells)
        tree = parse(text)
    except (OSError, ValueError, SyntaxError, KeyError):
        return None, {}
    constants = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            for target in node.targets:
                if word := _word(target):
                    constants[word] = node.value.value
        elif isinstance(node, ast.arguments):  # defaults of arguments: def __init__(self, maxsize=128)
            names = [*node.posonlyargs, *node.args]
            for arg, default in zip(names[len(names) - len(node.defaults) :], node.defaults, strict=True):
                if isinstance(default, ast.Constant) and type(default.value) is int:
                    constants.setdefault(arg.arg, default.value)
    return tree, constants


def _word(node) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value  # pn.state.cache["history"]
    if _method(node) in ("setdefault", "get") and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)  # pn.state.cache.setdefault("history", [])
    return ""


def _method(node) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _fills(node, name: str) -> bool:
    if FILLS.fullmatch(_method(node)) and _word(node.func.value) == name:
        return True
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(t, ast.Subscript) and _word(t.value) == name for t in targets):
            return True
        if isinstance(node, ast.AugAssign):
            return _word(node.target) == name
        # X = X + ..., X = concat([X, ...]): made anew from itself, and not cut
        same = any(_word(target) == name for target in targets) and _cut(node, name) is None
        return same and any(_word(part) == name for part in ast.walk(node.value))
    return False


def _empties(node, name: str) -> bool:
    if EMPTIES.fullmatch(_method(node)) and _word(node.func.value) == name:
        return True
    if isinstance(node, ast.Delete):
        return any(isinstance(t, ast.Subscript) and _word(t.value) == name for t in node.targets)
    return _cut(node, name) is not None


def _cut(node, name: str):
    """The slice that an assignment cuts ``name`` down to: ``X = X[-50:]``, ``X[:] = X[-50:]``."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and _word(node.value.value) == name:
        target = node.targets[0]
        target = target.value if isinstance(target, ast.Subscript) else target
        if _word(target) == name and isinstance(node.value.slice, ast.Slice):
            return node.value.slice
    return None


def _bound(node, name: str, constants: dict[str, int]) -> int | None:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = [node.left, node.comparators[0]]
        for side, other in (sides, sides[::-1]):
            if isinstance(side, ast.Call) and _word(side.func) == "len" and side.args and _word(side.args[0]) == name:
                return _number(other, constants)
    if (cut := _cut(node, name)) is not None:
        return _number(cut.lower, constants) or _number(cut.upper, constants)
    if isinstance(node, ast.Delete):
        for target in node.targets:
            if (
                isinstance(target, ast.Subscript)
                and _word(target.value) == name
                and isinstance(target.slice, ast.Slice)
            ):
                return _number(target.slice.upper, constants) or _number(target.slice.lower, constants)
    return None


def _number(node, constants: dict[str, int]) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return abs(node.value)
    return constants.get(_word(node)) if node is not None else None
