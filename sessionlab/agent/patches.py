"""Wrap methods of classes, now or once they are imported, and put back what was there. Runs in the served process."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import sys
import weakref


class Patches:
    """The wraps of one observer, undone in one go.

    Classes are held weakly: some of them belong to a session's script and must be able to go with it.
    """

    def __init__(self):
        self._undo: list[tuple[weakref.ref, str, object]] = []

    def wrap(self, owner: type, name: str, make) -> None:
        """Replace ``owner.name`` by ``make(original)``. ``owner`` need not define the method itself."""
        original = getattr(owner, name)
        replacement = functools.wraps(original)(make(original))
        self._undo.append((weakref.ref(owner), name, owner.__dict__.get(name)))
        setattr(owner, name, replacement)

    def undo(self) -> None:
        for reference, name, original in reversed(self._undo):
            owner = reference()
            if owner is None:
                continue
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._undo.clear()


class WhenImported(importlib.abc.MetaPathFinder):
    """Call ``actions[name](module)`` once module ``name`` has been imported, which may have been before."""

    def __init__(self, actions: dict):
        self._actions = {name: action for name, action in actions.items() if not self._already(name, action)}

    @staticmethod
    def _already(name: str, action) -> bool:
        if name in sys.modules:
            action(sys.modules[name])
        return name in sys.modules

    def find_spec(self, name, path=None, target=None):
        action = self._actions.pop(name, None)
        spec = importlib.util.find_spec(name) if action else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            action(module)

        spec.loader.exec_module = exec_module
        return spec
