"""The ledger of a hunt: which objects were born in which window, and how long every container was then.

Runs in the served process. It keeps plain numbers (ids and lengths) and weak references only, so that it keeps
nothing alive. What was there before the oldest window is *old*; everything younger belongs to the *cohort* of the
window in which it was born. What is still there of a cohort when a later window closes has outlived its sessions.

The address of what has died is used again, and what lives there then would pass for the earlier thing. Of instances,
a weak reference tells; a list was replaced if neither its first nor its last item is what it was. Of dicts nothing
tells, but they hang on instances mostly.
"""

from __future__ import annotations

import collections
import gc
import itertools
import sys
import types
import weakref
from collections.abc import Iterable

from sessionlab.agent.containers import _scan as scan
from sessionlab.agent.plain import takes_references
from sessionlab.agent.resident import everything

# there are many of them, and they rarely come and go
_PLENTY = (types.FunctionType, types.BuiltinFunctionType, type, weakref.ref)
PATH = 0  # in the place of an id: sys.path is another list after every script, with what it had before
MOST = 3  # windows that are kept apart; older ones become part of what is old


class Ledger:
    """``old`` ids, one set of ids in ``cohorts`` per window; container ``lengths``, the ``ends`` of lists (two ids as
    one number) and numbers of objects by type (``types``) at each of its ends; a weak reference (``refs``) to every
    instance, by its id. ``kinds`` says what each window is one of: what grows does so in all that are alike."""

    def __init__(self, most: int = MOST):
        self.most = most
        self.kinds: list[str] = []
        self.old: set[int] = set()
        self.cohorts: list[set[int]] = []
        self.lengths: list[dict[int, int]] = []
        self.ends: list[dict[int, int]] = []
        self.types: list[dict[int, int]] = []
        self.refs: dict[int, weakref.ref] = {}

    def turn(self, kind: str = "") -> int:
        """Close the window that runs, one of this ``kind``, and open the next; return how many objects it has left.

        The first call opens the first window. The caller has collected garbage.
        """
        found = scan()
        lengths = {id(thing): length for thing, length in found} | {PATH: len(sys.path)}
        ends = {id(thing): id(thing[0]) << 64 | id(thing[-1]) for thing, _ in found if type(thing) is list and thing}
        del found
        reborn = self._refer(gc.get_objects())
        self.old -= reborn
        self.cohorts = [cohort - reborn for cohort in self.cohorts]
        # what is frozen neither comes nor goes
        ids, types = set(map(id, everything())), dict(collections.Counter(map(id, map(type, gc.get_objects()))))
        if not self.lengths:
            self.old, self.lengths, self.ends, self.types = ids, [lengths], [ends], [types]
            return 0
        self.old &= ids
        newborn = ids.difference(self.old, *self.cohorts)
        self.cohorts = [cohort & ids for cohort in self.cohorts] + [newborn]
        self.kinds.append(kind)
        self.lengths.append(lengths)
        self.ends.append(ends)
        self.types.append(types)
        if len(self.cohorts) > self.most:
            self.old |= self.cohorts.pop(0)
            self.kinds.pop(0)
            self.lengths.pop(0)
            self.ends.pop(0)
            self.types.pop(0)
        return len(newborn)

    def reopen(self) -> None:
        """Take back the end of the newest window: what is born or dies from now on belongs to it."""
        self.cohorts.pop()
        self.kinds.pop()
        self.lengths.pop()
        self.ends.pop()
        self.types.pop()

    def _refer(self, objects: list) -> set[int]:
        """Refer to every instance; the ids under which another one was known before."""
        refs, reborn = {}, set()
        for thing in objects:
            kind = type(thing)
            if not takes_references(kind) or issubclass(kind, _PLENTY):
                continue
            number = id(thing)
            known = self.refs.get(number)
            if known is None or known() is not thing:
                if known is not None:
                    reborn.add(number)
                known = weakref.ref(thing)
            refs[number] = known
        self.refs = refs
        return reborn

    def took_over(self, thing) -> bool:
        """Whether ``thing`` lives where, at the end of the newest window, another instance lived."""
        known = self.refs.get(id(thing))
        return known is not None and known() is not thing

    def cohort(self, number: int) -> int | None:
        """The cohort (from 0, the oldest window) of the object with id ``number``; None for what is old."""
        for place, cohort in enumerate(self.cohorts):
            if number in cohort:
                return place
        return None

    def grew(self, thing) -> list[int]:
        """Items that a container gained in each window; none in those before it was there."""
        number = PATH if thing is sys.path else id(thing)
        lengths = [noted.get(number) for noted in self.lengths]
        ends = [noted.get(number) for noted in self.ends]
        pairs = zip(itertools.pairwise(lengths), itertools.pairwise(ends), strict=True)
        return [
            0 if before is None or after is None or _replaced(*end) else after - before
            for (before, after), end in pairs
        ]

    def more(self, numbers: Iterable[int]) -> list[int]:
        """How many more objects of these types (their ids) there were at the end of each window than at its begin.

        An address is used again for a later object, which then passes for the earlier one; these numbers do not.
        """
        return [
            sum(max(0, after.get(n, 0) - before.get(n, 0)) for n in numbers)
            for before, after in itertools.pairwise(self.types)
        ]

    def throughout(self, gains: list[int]) -> bool:
        """Whether there are gains in every window of some kind."""
        return any(all(g for g, k in zip(gains, self.kinds, strict=True) if k == kind) for kind in set(self.kinds))

    def goes_on(self, gains: list[int]) -> bool:
        """Whether there are gains in the newest window of some kind."""
        return any(gain > 0 for gain in dict(zip(self.kinds, gains, strict=True)).values())

    def net(self) -> list[int]:
        """How many more objects of any type there were at the end of each window than at its begin."""
        return [sum(after.values()) - sum(before.values()) for before, after in itertools.pairwise(self.types)]


def _replaced(before: int | None, after: int | None) -> bool:
    """Whether these are the ends of two lists that lived at one address, one after the other."""
    return before is not None and after is not None and before >> 64 != after >> 64 and (before ^ after) % 2**64 != 0
