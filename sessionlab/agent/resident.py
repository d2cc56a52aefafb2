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


def settle_down() -> None:
    """Take what exists now for permanent. The caller has collected garbage, and no session is there."""
    _frozen.extend(gc.get_objects())
    gc.freeze()


def everything() -> list:
    """Every object that the collector knows, frozen or not."""
    if _frozen and not gc.get_freeze_count():  # the application has called gc.unfreeze
        _frozen.clear()
    objects = gc.get_objects()
    return _frozen + objects if _frozen else objects  # no [*…]: that list would be one of its own items
