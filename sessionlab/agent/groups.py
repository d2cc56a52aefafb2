"""What gained something in the windows: young things, grouped by the old thing that holds them and the way it does.

Runs in the served process.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import itertools
import types

from sessionlab.agent import names
from sessionlab.agent.graph import Walk
from sessionlab.agent.ledger import Ledger
from sessionlab.agent.plain import is_a, own_dict, qualname_of
from sessionlab.agent.running import THREADS, holds_running, payload_of

CONTAINERS = (list, dict, set, collections.deque, names.LRU)


class Group:
    """Young things that hang on one old thing, in one way."""

    def __init__(self, place: int, tops: list[int], walk: Walk, items: list[int], named: bool = False):
        self.place, self.tops, self.items, self.named = place, tops, items, named
        windows = len(items)
        self.edges, self.below = [0] * windows, [0] * windows
        for top in tops:
            if top in walk.young:
                self.edges[walk.young[top]] += 1
            for cohort, number in enumerate(walk.below.get(top, ())):
                self.below[cohort] += number

    def cap(self, walk: Walk, ledger: Ledger, trees: dict[int, list[int]]) -> None:
        """Count no more young things than there are more of their types."""
        kinds: dict[int, list[int]] = collections.defaultdict(lambda: [0] * len(self.below))
        for top in self.tops:
            for place in trees.get(top, [top]):
                if place in walk.young:
                    kinds[id(type(walk.things[place]))][walk.young[place]] += 1
        most = capped(kinds, ledger)
        self.below = [min(pair) for pair in zip(self.below, most, strict=True)]
        self.edges = [min(pair) for pair in zip(self.edges, most, strict=True)]

    def consequence(self, walk: Walk, ledger: Ledger) -> bool:
        """Whether it gains nothing itself, and is part of an item of a container that does.

        An item that has taken the address of an earlier one passes for old, and what it holds for its gain.
        """
        if self.gained:
            return False
        way = walk.path(self.place)
        return any(
            is_a(thing, CONTAINERS) and ledger.goes_on(ledger.grew(thing)) and not is_namespace(way[: place + 1])
            for place, thing in enumerate(way[:-1])
        )

    def plausible(self, ledger: Ledger) -> bool:
        """Not only the newest of something, or the rest of something that has ended."""
        return len(self.tops) > 4 or ledger.throughout(self.below) or any(self.items)

    @property
    def gained(self) -> int:
        """Items that came in, all windows together."""
        return sum(max(0, n) for n in self.items)

    @property
    def weight(self) -> int:
        return sum(self.below) + sum(self.edges) + self.gained


def groups_of(walk: Walk, ledger: Ledger, running: list[collections.Counter]) -> list[Group]:
    groups = []
    nothing = [0] * len(ledger.cohorts)
    for place, tops in walk.edges.items():
        holder = walk.things[place]
        items = ledger.grew(holder)
        kinds: dict = collections.defaultdict(list)
        for top in dict.fromkeys(tops):
            kinds[kind_of_edge(walk, place, holder, walk.things[top])].append(top)
        for kind, some in kinds.items():
            gained = items if kind is None else nothing
            if holds_running(holder):
                gained = [after[kind] - before[kind] for before, after in itertools.pairwise(running)]
            groups.append(Group(place, some, walk, gained, kind is not None))
    # containers of atoms have no young things that the collector knows
    for place, thing in enumerate(walk.things):
        if place not in walk.edges and place not in walk._tops and is_a(thing, CONTAINERS):
            items = ledger.grew(thing)
            if any(items) and place not in walk._later:
                groups.append(Group(place, [], walk, items))
    # a dict that holds nothing but atoms is unknown to the collector: look where it may hang
    seen = {id(walk.things[group.place]) for group in groups}
    for place, thing in enumerate(walk.things):
        for child in gc.get_referents(thing) if place not in walk._tops else ():
            if type(child) is dict and not gc.is_tracked(child) and id(child) not in seen:
                seen.add(id(child))
                if any(items := ledger.grew(child)):
                    walk.things.append(child)
                    walk.above.append(place)
                    groups.append(Group(len(walk.things) - 1, [], walk, items))
    return groups


def kind_of_edge(walk: Walk, place: int, holder, thing):
    """What tells apart the things that one holder holds for unlike reasons; None where all are alike."""
    if holder is THREADS:
        return names.described(thing)
    above = walk.things[walk.above[place]] if walk.above[place] >= 0 else None
    if is_a(holder, asyncio.AbstractEventLoop):
        return names.described(payload_of(thing))
    if is_a(holder, dict):
        namespace = is_a(above, types.ModuleType | type) or (above is not None and own_dict(above) is holder)
        return next((k for k, v in list(holder.items()) if v is thing), None) if namespace else None
    if is_a(holder, CONTAINERS) or names.knows_views(holder):
        return None
    return names.attribute(holder, thing) or qualname_of(type(thing))


def capped(kinds: dict[int, list[int]], ledger: Ledger) -> list[int]:
    """Young things by window, given how many of each type (its id): never more than there are more of that type."""
    total = [0] * len(ledger.cohorts)
    for kind, numbers in kinds.items():
        for window, (number, more) in enumerate(zip(numbers, ledger.more([kind]), strict=True)):
            total[window] += min(number, more)
    return total


def is_namespace(way: list) -> bool:
    """Whether a path ends in the dict of a module, a class or an instance."""
    return (
        len(way) > 1
        and is_a(way[-1], dict)
        and (is_a(way[-2], types.ModuleType | type) or own_dict(way[-2]) is way[-1])
    )
