"""The ledger of a hunt: which objects were born in which window, and how long every container was then.

Runs in the served process. It keeps plain numbers only (ids and lengths), so that it keeps nothing alive. What
was there before the oldest window is *old*; everything younger belongs to the *cohort* of the window in which
it was born. What is still there of a cohort when a later window closes has outlived its sessions.
"""

from __future__ import annotations

import collections
import gc
import itertools
from collections.abc import Iterable

from sessionlab.observe.containers import _scan as scan

MOST = 3  # windows that are kept apart; older ones become part of what is old


class Ledger:
    """``old`` ids, one set of ids in ``cohorts`` per window; container ``lengths`` and numbers of objects by type
    (``types``) at each of its ends."""

    def __init__(self):
        self.old: set[int] = set()
        self.cohorts: list[set[int]] = []
        self.lengths: list[dict[int, int]] = []
        self.types: list[dict[int, int]] = []

    def turn(self) -> int:
        """Close the window that runs and open the next; return how many objects were born in it and are there.

        The first call opens the first window. The caller has collected garbage.
        """
        lengths = {id(thing): length for thing, length in scan()}
        objects = gc.get_objects()
        ids, types = set(map(id, objects)), dict(collections.Counter(map(id, map(type, objects))))
        del objects
        if not self.lengths:
            self.old, self.lengths, self.types = ids, [lengths], [types]
            return 0
        self.old &= ids
        newborn = ids.difference(self.old, *self.cohorts)
        self.cohorts = [cohort & ids for cohort in self.cohorts] + [newborn]
        self.lengths.append(lengths)
        self.types.append(types)
        if len(self.cohorts) > MOST:
            self.old |= self.cohorts.pop(0)
            self.lengths.pop(0)
            self.types.pop(0)
        return len(newborn)

    def cohort(self, number: int) -> int | None:
        """The cohort (from 0, the oldest window) of the object with id ``number``; None for what is old."""
        for place, cohort in enumerate(self.cohorts):
            if number in cohort:
                return place
        return None

    def grew(self, thing) -> list[int]:
        """Items that a container gained in each window; none in those before it was there."""
        lengths = [noted.get(id(thing)) for noted in self.lengths]
        return [
            0 if before is None or after is None else after - before for before, after in itertools.pairwise(lengths)
        ]

    def more(self, kinds: Iterable[type]) -> list[int]:
        """How many more objects of these types there were at the end of each window than at its begin.

        An address is used again for a later object, which then passes for the earlier one; these numbers do not.
        """
        numbers = set(map(id, kinds))
        return [
            sum(max(0, after.get(n, 0) - before.get(n, 0)) for n in numbers)
            for before, after in itertools.pairwise(self.types)
        ]

    def net(self) -> list[int]:
        """How many more objects of any type there were at the end of each window than at its begin."""
        return [sum(after.values()) - sum(before.values()) for before, after in itertools.pairwise(self.types)]
