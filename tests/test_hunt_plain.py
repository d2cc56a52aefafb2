"""Objects with a mind of their own: the hunter's look into a process survives them, and names who holds them."""

from __future__ import annotations

import collections

import pytest

from sessionlab.agent import census, names, plain, values
from sessionlab.agent.containers import Containers
from sessionlab.agent.retainers import _rows


def refuse(*_, **__):
    raise RuntimeError("this object wants to be left alone")


class Answers(type):
    """A class of classes that answers nothing."""

    def __getattribute__(cls, name):
        if name in ("__call__", "__new__", "__init__"):
            return type.__getattribute__(cls, name)
        refuse()

    __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = __repr__ = refuse


class OfAnOddClass(metaclass=Answers):
    pass


class NoAttribute:
    def __getattr__(self, name):
        raise KeyError(name)


class NothingAtAll:
    __getattribute__ = __repr__ = __eq__ = __hash__ = __bool__ = refuse


class NoClass:
    __class__ = property(refuse)


class NoDict:
    __slots__ = ("kept",)
    __dict__ = property(refuse)


class OddList(list):
    __len__ = __iter__ = __bool__ = __getitem__ = __contains__ = __eq__ = refuse


class OddDict(dict):
    __len__ = __iter__ = __getitem__ = __contains__ = items = values = keys = get = refuse


class OddText(str):
    __slots__ = ()
    __repr__ = __len__ = __str__ = refuse


class OddModule(type(pytest)):
    def __getattr__(self, name):
        raise KeyError(name)


def odd_list():
    made = OddList()
    list.append(made, NoAttribute())
    return made


def odd_dict():
    made = OddDict()
    dict.__setitem__(made, OddText("key"), NoClass())
    return made


def slotted():
    made = NoDict()
    made.kept = [made]
    return made


KINDS = {
    "no attribute": NoAttribute,
    "nothing at all": NothingAtAll,
    "no class": NoClass,
    "an odd class": lambda: object.__new__(OfAnOddClass),
    "a list": odd_list,
    "a dict": odd_dict,
    "slots and no dict": slotted,
    "a module": lambda: OddModule("odd"),
    "a class itself": lambda: Answers("Made", (), {}),
}


@pytest.fixture
def home(resident):
    resident.kept = []
    resident.before = [make() for make in KINDS.values()]  # also where they are old
    return resident


async def test_whoever_holds_them_is_named(home, ledger, walked):
    made = {kind: make() for kind, make in KINDS.items()}
    for window in range(2):
        home.kept += [make() for make in KINDS.values()] if window else made.values()
        ledger.turn()
    walk = walked(ledger)
    rows, _, growing = _rows(walk, ledger, (), [collections.Counter()] * 3)
    (row,) = [row for row in rows if row["holder"] == "resident_module.kept"]
    assert row["items"] == [len(KINDS)] * 2 and row["bytes"] > 0
    look, newest, there = growing["resident_module.kept"]
    assert look() == 2 * len(KINDS) and newest() in there()


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_described_and_read(kind):
    thing = KINDS[kind]()
    text = names.described(thing)
    assert isinstance(text, str) and text
    assert names.chain("holder", [[thing], thing])[0] == "holder"
    assert names.code_of(thing) is None and not names._periodic(thing)
    assert plain.read(thing, "no_such_attribute", "absent") == "absent"


@pytest.mark.whole_heap
def test_censuses_and_lengths_survive_them(home):
    containers = Containers()
    containers.mark()
    kept = [make() for make in KINDS.values()]
    home.kept += kept
    assert "kept" in str([row["owner"] for row in containers.grown()])
    import bokeh.model  # noqa: F401 - classes of these are counted by their bases
    import holoviews  # noqa: F401

    counted = census.tally()
    assert counted["type", f"{__name__}.NothingAtAll"] >= 2
    home.text = "x" * 5000
    assert any(size > 5000 for size in values.weigh().values())


def test_plain_reading_runs_no_code():
    class Told:
        __slots__ = ("slot",)
        made = "in the class"
        asked = property(refuse)

    told = Told()
    assert plain.read(told, "slot") is None and plain.slots_of(told) == {}
    told.slot = "in a slot"
    assert (plain.read(told, "slot"), plain.read(told, "made"), plain.read(told, "asked")) == (
        "in a slot",
        "in the class",
        None,
    )
    assert plain.slots_of(told) == {"slot": "in a slot"} and plain.own_dict(told) == {}
    assert plain.is_a([], list) and not plain.is_a(NoClass(), list | dict)
    assert plain.items_of(odd_list())[0].__class__ is NoAttribute
