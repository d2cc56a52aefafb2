"""No code of an application runs while the hunter looks: a crowd of classes whose special methods tell that they ran.

Classes are made by chance from a number: what they derive from, which special methods they have, in the class and in
its metaclass, and what these do when called: raise, return nonsense, call themselves, change what is looked at.
"""

from __future__ import annotations

import collections
import random
import types
from collections import Counter

import pytest

from sessionlab.agent import values
from sessionlab.agent.census import tally
from sessionlab.agent.retainers import _rows

CLASSES = 400
BASES = (object, list, dict, set, tuple, str, int, bytes, collections.deque, collections.OrderedDict, Exception,
         types.ModuleType, frozenset, float)  # fmt: skip
OF_AN_INSTANCE = [
    "__getattribute__", "__getattr__", "__setattr__", "__eq__", "__ne__", "__hash__", "__len__", "__iter__", "__bool__",
    "__repr__", "__str__", "__format__", "__contains__", "__getitem__", "__call__", "__index__", "__int__", "__dir__",
    "__sizeof__", "__reduce_ex__", "__enter__", "__next__", "__lt__", "__add__", "__bytes__", "__fspath__", "__array__",
    "__copy__", "__length_hint__", "__reversed__", "keys", "items", "values", "data", "nbytes", "shape", "size",
]  # fmt: skip
PROPERTIES = [
    "__class__", "__doc__", "__module__", "__wrapped__", "__func__", "__self__", "__code__", "__name__", "__file__",
    "_thread", "cr_code", "dtype", "cache_info",
]  # fmt: skip
OF_A_CLASS = ["__getattribute__", "__getattr__", "__instancecheck__", "__subclasscheck__", "__eq__", "__hash__",
              "__repr__", "__len__", "__iter__", "__bool__", "__contains__", "__call__", "mro_entries"]  # fmt: skip

KNOWN = ["ndarray", "BlockValuesRefs", "DataFrame", "Document", "Parameters", "PeriodicCallback", "Figure", "Row"]

ran: list[tuple[int, str]] = []
looking = False


def method(number: int, name: str, chance: random.Random, others: list):
    """A special method that notes that it ran, and then does harm."""
    harm = chance.choice(["raise", "nonsense", "recurse", "change"])

    def special(*arguments, **named):
        if looking:
            ran.append((number, name))
            if harm == "recurse":
                return special(*arguments, **named)
            if harm == "change":
                others.append([])
            if harm != "nonsense":
                raise chance.choice([KeyError, ValueError, RecursionError, MemoryError, SystemExit, GeneratorExit])(
                    name
                )
        return "nonsense"

    return special


def hostile(number: int, others: list):
    """An instance of a class that is made from ``number``."""
    chance = random.Random(number)

    def some(names: list) -> dict:
        return {
            name: method(number, name, chance, others) for name in chance.sample(names, chance.randint(1, len(names)))
        }

    base = chance.choice(BASES)
    body = some(OF_AN_INSTANCE)
    body |= {name: property(made) for name, made in some(PROPERTIES).items()}
    of_class = some(OF_A_CLASS) if chance.random() < 0.5 else {}
    name = chance.choice([*KNOWN, f"Hostile{number}"])
    made = type(type)("Meta", (type,), of_class) if of_class else type
    cls = type.__call__(made, name, (base,), body)
    if chance.random() < 0.2:
        type.__setattr__(cls, "__module__", chance.choice([7, "", "numpy", "sessionlab.agent.x", None]))
    return base.__new__(cls, *(["odd"] if base is types.ModuleType else []))


@pytest.fixture
def home(resident):
    resident.kept = []
    return resident


@pytest.mark.whole_heap
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow("400 classes more")) for seed in (2, 3, 4, 5))]
)
async def test_nothing_of_an_application_runs_while_it_is_looked_at(home, ledger, walked, seed):
    global looking
    crowd = [hostile(CLASSES * seed + number, home.kept) for number in range(CLASSES)]
    ran.clear()
    home.kept += crowd
    looking = True
    try:
        ledger.turn()
        weights = values.weigh()
        walk = walked(ledger)
        rows, _, _ = _rows(walk, ledger, (), [Counter(), Counter()])
        values.rows_of(walk, weights)
        counted = tally()
    finally:
        looking = False
    assert ran == []
    row = next(row for row in rows if row["holder"].endswith("kept"))
    assert row["items"][-1] == CLASSES  # all of them were seen, and held by whom they are held
    assert counted["all", "objects"] > CLASSES
    home.kept.clear()
