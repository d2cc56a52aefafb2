"""Whose cache is it: the entries of ``panel.cache`` stand under a hash; the application's source tells the rest.

Runs in the served process.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
import sys

from sessionlab.agent.source import _parsed, _word
from sessionlab.agent.where import shown

_HASHED = re.compile(r"state\.param\['_memoize_cache'\](?:\['(\w+)'\])?")

_NOTHING = {"filled": (), "emptied": (), "reads": None, "shrinks": False}


def panel_cache(holder: str, files: tuple[str, ...]) -> dict | None:
    """How a cache of ``panel.cache`` is called, bounded and where it stands; None for any other holder."""
    found = _HASHED.search(holder)
    if not found:
        return None
    if found[1] is None:  # the table of all caches: one more per session
        return {**_NOTHING, "holder": "panel.cache (per_session=True)", "owner": "panel"}
    about = _caches(files).get(found[1])
    if about is None:
        return {**_NOTHING, "holder": "panel.cache of a function", "owner": "app"}
    name, line, most, ttl = about
    bounds = {"max_items": most, "ttl": ttl}
    text = ", ".join(f"{k}={v}" for k, v in bounds.items() if v is not None) or "max_items=None"
    bound = None if most is None else {"size": most, "name": f"max_items={most}"}
    return {
        **_NOTHING,
        "holder": f"panel.cache {name} {text}",
        "filled": (line,),
        "emptied": (line,) if ttl is not None else (),
        "reads": bound,
        "owner": "app",
    }


def forget() -> None:
    """Let go of what was read in the application's files."""
    _caches.cache_clear()


@functools.lru_cache(maxsize=8)
def _caches(files: tuple[str, ...]) -> dict[str, tuple]:
    """hash -> (function, line, max_items, ttl) of every cached function in the application's files."""
    module = sys.modules.get("panel.io.cache")
    if module is None:
        return {}
    found = {}
    for file in files:
        tree, constants = _parsed(file)
        for node in ast.walk(tree) if tree else ():
            owner = node.name if isinstance(node, ast.ClassDef) else None
            for function in node.body if isinstance(node, ast.ClassDef | ast.Module) else ():
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for decorator in function.decorator_list:
                    call = decorator if isinstance(decorator, ast.Call) else None
                    if _word(call.func if call else decorator) != "cache":
                        continue
                    options = {k.arg: _value(k.value, constants) for k in call.keywords} if call else {}
                    about = (
                        function.name,
                        f"{shown(file)}:{decorator.lineno}",
                        options.get("max_items"),
                        options.get("ttl"),
                    )
                    for path in {file, os.path.relpath(file), os.path.realpath(file), "__main__"}:
                        key = (path, owner, function.name) if owner else (path, function.name)
                        found[hashlib.sha256(module._generate_hash(key)).hexdigest()] = about
    return found


def _value(node, constants: dict):
    return node.value if isinstance(node, ast.Constant) else constants.get(_word(node))
