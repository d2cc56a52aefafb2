"""What was there before the first visitor: out of the collector's sight, and still looked at.

Runs in the served process. Most objects of a server were made by imports, and stay. While a hunt counts and collects
some twenty times, they would be gone through each time. `settle_down` freezes them (`gc.freeze`) and lists them here;
what needs every object asks `everything`.
"""

from __future__ import annotations

import gc


class _Frozen(list):
    """Strong references, so that no address among them is used again. A walk enters no object of the lab's classes."""


_frozen = _Frozen()
_met = _Frozen()


def meet() -> None:
    """Note what exists, so that `settle_down` can tell it from what belongs to the later request that asks for it."""
    _met[:] = gc.get_objects()


def settle_down() -> list:
    """Take what exists for permanent; list, and return, what was met of it, without the remains of that request."""
    known = set(map(id, _met))
    _met.clear()
    gc.collect()
    things = [thing for thing in gc.get_objects() if id(thing) in known]
    _frozen.extend(things)
    gc.freeze()
    return things


def everything() -> list:
    """Every object that the collector knows, frozen or not."""
    if _frozen and not gc.get_freeze_count():  # the application has called gc.unfreeze
        _frozen.clear()
    objects = gc.get_objects()
    return _frozen + objects if _frozen else objects  # no [*…]: that list would be one of its own items
