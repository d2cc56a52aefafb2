"""Old or young: what a walk through this process takes for what, when addresses are used again."""

from __future__ import annotations

import gc
import re
import weakref
from collections import Counter

import pandas as pd
import pytest

from sessionlab.agent import source
from sessionlab.agent.graph import Walk
from sessionlab.agent.groups import groups_of
from sessionlab.agent.retainers import Retainers, _in_the_source


class Thing:
    """What a session leaves; its attributes are told by name."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __call__(self, phase, info):
        """As the collector calls what stands in `gc.callbacks`."""


@pytest.fixture
def home(resident):
    """A module that outlives every session, with a list, a table and pandas' kind of table in it."""
    resident.kept = [Thing(), Thing()]
    resident.table = {"first": Thing()}
    resident.seen = pd.DataFrame({"x": range(100)})
    return resident


def held(walk: Walk, holder) -> list:
    """What young things ``holder`` was found to hold directly."""
    return [walk.things[top] for place, tops in walk.edges.items() if walk.things[place] is holder for top in tops]


async def test_what_is_born_in_a_window_is_young_and_hangs_on_what_is_old(home, ledger, walked):
    born = Thing(rows=[1, 2, []])
    home.kept.append(born)
    ledger.turn()
    walk = walked(ledger)
    assert held(walk, home.kept) == [born]
    running = [Counter(), Counter()]  # at each of the two turns
    group = next(g for g in groups_of(walk, ledger, running) if walk.things[g.place] is home.kept)
    assert group.items == [1] and group.gained == 1


async def test_what_pandas_knows_of_views_hangs_on_the_table_and_not_on_what_took_it_in(home, ledger, walked):
    shares = home.seen._mgr.blocks[0].refs
    home.seen.tail(3)
    home.entry = Thing(table=home.seen)
    shares.referenced_blocks = list(shares.referenced_blocks)  # as when it drops the dead ones
    new = shares.referenced_blocks[-1]
    ledger.old.discard(id(new))  # as if nothing had lived there before
    ledger.turn()
    assert any(thing is new for thing in held(walked(ledger), shares))
    hidden, home.seen = home.seen, None  # only something young leads to it
    walk = walked(ledger)
    assert any(thing is hidden for thing in walk.things)
    assert not any(thing is new for thing in walk.things)


async def test_an_instance_in_the_place_of_a_dead_one_is_young(home, ledger, walked):
    late = Thing()
    home.kept.append(late)
    ledger.turn()
    for cohort in ledger.cohorts:
        cohort.discard(id(late))
    dead = Thing()
    ledger.old.add(id(late))  # as if an old thing had lived there
    ledger.refs[id(late)] = weakref.ref(dead)
    del dead
    assert ledger.took_over(late) and not ledger.took_over(home)
    assert held(walked(ledger), home.kept) == [late]
    ledger.turn()
    assert id(late) not in ledger.old and ledger.cohort(id(late)) == 1


async def test_what_only_the_young_lead_to_is_no_holder_of_its_own(home, ledger, walked):
    inner = {"rows": [[], []]}
    born = Thing(inner=inner)
    home.kept.append(born)
    ledger.turn()
    ledger.old.add(id(inner))  # a dict in the place of an old one: nothing tells
    ledger.cohorts[0].discard(id(inner))
    walk = walked(ledger)
    assert held(walk, home.kept) == [born]
    assert held(walk, inner) == []


@pytest.mark.whole_heap
async def test_what_is_told_of_collections_is_held_by_the_collector(ledger, walked):
    gc.callbacks.append(Thing())  # no function: one that lives where another has died passes for old
    try:
        ledger.turn()
        walk = walked(ledger)
        place = next(place for place in walk.edges if walk.things[place] is gc.callbacks)
        assert walk.path(place)[0] is gc
    finally:
        gc.callbacks.pop()


def test_a_ledger_keeps_nothing_alive(home, ledger):
    gone = weakref.ref(home.kept[0])
    ledger.turn()
    home.kept.clear()
    gc.collect()
    assert gone() is None


async def test_a_list_in_the_place_of_a_dead_one_has_gained_nothing(home, ledger):
    late = ["a", "b", "c", "d", "e"]
    home.kept.append(late)
    ledger.lengths[0][id(late)] = 1  # as if another list had lived there
    ledger.ends[0][id(late)] = id(home) << 64 | id(home)
    ledger.turn()
    late.append("f")
    ledger.turn()
    late.insert(0, "z")
    ledger.turn()
    assert ledger.grew(late) == [0, 1, 1], "it grows at either end"


async def test_a_tuple_in_the_place_of_a_dead_one_is_no_holder(home, ledger, walked):
    late = home.table["late"] = (Thing(), 0)
    ledger.turn()
    ledger.old.add(id(late))  # as if another tuple had lived there
    ledger.cohorts[0].discard(id(late))
    walk = walked(ledger)
    assert held(walk, late) == []
    assert late[0] in held(walk, home.table)


def test_a_look_into_the_source_leaves_no_pattern_behind(tmp_path):
    app = tmp_path / "app.py"
    app.write_text("KEPT = []\nKEPT.append(1)\n")
    re.purge()
    assert _in_the_source({"holder": "home.KEPT", "kind": "list"}, (str(app),))["filled"]
    source.forget()
    assert not re._cache


async def test_a_walk_leaves_nothing_behind(home, ledger, walked):
    def references() -> int:
        """Abstract base classes remember by weak references the classes that they were asked about."""
        return sum(issubclass(type(thing), weakref.ref) for thing in gc.get_objects())

    walked(ledger)
    home.kept += [type(f"Unknown{number}", (), {})() for number in range(50)]
    before = references()
    walked(ledger)
    assert references() - before < 50


@pytest.mark.whole_heap
async def test_what_the_last_look_left_is_forgotten_when_a_window_is_closed(home):
    probe = Thing(servers=[])
    ask = Thing(flag=lambda name: False, number=lambda name: 0.0, text=lambda name: "", request=None)
    hunter = Retainers(probe)
    await hunter.turn(ask)
    home.kept += [Thing() for _ in range(20)]
    await hunter.turn(ask)
    await hunter.holders(ask)
    source.use_of("kept", (__file__,))
    assert hunter._growing and source._parsed.cache_info().currsize
    await hunter.turn(ask)
    assert not hunter._growing and not source._parsed.cache_info().currsize
