"""What an object is, told without asking it. Runs in the served process: standard library only.

An object may answer an attribute, ``isinstance`` or ``len`` with an exception, and so may its class. Nothing here runs
code of either: it reads what CPython itself keeps of them.
"""

from __future__ import annotations

import collections
import sys
import types


def ids(*kinds) -> frozenset[int]:
    """Classes as a set that may be asked for any class: one may refuse to be hashed or compared."""
    return frozenset(map(id, kinds))


mro = type.__dict__["__mro__"].__get__  # (class) -> its bases in order, itself first
name_of = type.__dict__["__name__"].__get__  # (class) -> ``Row``
qualname_of = type.__dict__["__qualname__"].__get__  # (class) -> ``outer.<locals>.Row``
takes_references = type.__dict__["__weakrefoffset__"].__get__  # (class) -> 0 where an instance has no weak references
_module = type.__dict__["__module__"].__get__
body_of = type.__dict__["__dict__"].__get__  # (class) -> what stands in its body
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def is_a(thing, kinds) -> bool:
    """Whether it is made by one of these classes; unlike ``isinstance`` it believes no ``__class__``.

    ``kinds`` must not be abstract base classes, which remember every class that they are asked about.
    """
    return issubclass(type(thing), kinds)


def module_of(cls: type) -> str:
    """The name of the module in which a class was made; empty where it says something else."""
    try:
        name = _module(cls)
    except AttributeError:  # somebody deleted it
        return ""
    return name if type(name) is str else ""


def own_dict(thing) -> dict:
    """The dict of an instance; empty for one without."""
    try:
        own = object.__getattribute__(thing, "__dict__")
    except Exception:  # a property of that name may do anything
        return {}
    return own if is_a(own, dict) else {}


def read(thing, name: str, default=None):
    """An attribute from the instance's dict, a slot or its classes; a property is not called, and is the default."""
    own = own_dict(thing)
    if dict.__contains__(own, name):
        return dict.__getitem__(own, name)
    for cls in mro(type(thing)):
        if (value := body_of(cls).get(name, default)) is not default:
            if type(value) in _SLOTS:
                try:
                    return value.__get__(thing)
                except Exception:  # a slot that is empty
                    return default
            return default if is_a(value, property) else value
    return default


def at_home(cls: type) -> bool:
    """Whether a class stands under its own name in the module that it says it is from: it is no other of that name."""
    home = sys.modules.get(module_of(cls))
    return home is not None and dict.get(own_dict(home), name_of(cls)) is cls


def is_array(cls: type) -> bool:
    """Whether it is numpy's own class of arrays."""
    return name_of(cls) == "ndarray" and at_home(cls)


def items_of(container) -> list:
    """The items of a list, deque or set, and the values of a dict, as CPython keeps them."""
    kind = next((kind for kind in (list, set, collections.deque, frozenset) if is_a(container, kind)), None)
    return list(dict.values(container)) if kind is None else list(kind.__iter__(container))


def slots_of(thing) -> dict:
    """The attributes of an instance that stand in slots, by name."""
    found: dict = {}
    for cls in mro(type(thing)):
        for name, member in tuple(body_of(cls).items()):
            if type(member) is types.MemberDescriptorType:
                try:
                    found.setdefault(name, member.__get__(thing))
                except Exception:  # an empty one
                    continue
    return found
