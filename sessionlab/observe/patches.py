"""Wrap methods of classes, and put back what was there. Runs in the served process."""

from __future__ import annotations

import functools
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
