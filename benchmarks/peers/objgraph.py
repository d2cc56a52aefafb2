"""objgraph: ``growth()`` names the types of which there are more, ``find_backref_chain`` who holds one of them.

As its documentation does: call growth() before and after, choose an object of a type that grew, and follow the
references back to a module. Of the types that grew, classes are preferred to lists, dicts and functions.
"""

from __future__ import annotations

import itertools

import objgraph

RULE = (
    "a leak if in both windows one type gained at least an object in two sessions, and did not on a blank application"
)
LEAST = 0.5
COMMON = {
    "function",
    "tuple",
    "dict",
    "list",
    "set",
    "cell",
    "method",
    "weakref",
    "ReferenceType",
    "Watcher",
    "partial",
}


class Peer:
    def begin(self) -> None:
        objgraph.growth(limit=None)

    def window(self, sessions: int) -> dict:
        grown = {name: delta / sessions for name, _, delta in objgraph.growth(limit=None)}
        chosen = sorted(
            (n for n in grown if grown[n] >= LEAST),
            key=lambda name: (not name[:1].isupper() or name in COMMON, -grown[name]),
        )
        said = ", ".join(f"{name} +{grown[name]:.1f}" for name in chosen[:3])
        if chosen:
            thing = objgraph.by_type(chosen[0])[-1]
            chain = objgraph.find_backref_chain(thing, objgraph.is_proper_module, max_depth=12)
            said += ": " + path(chain)
            del thing, chain
        return {"types": {name: grown[name] for name in chosen}, "said": said}


def path(chain: list) -> str:
    """The chain as a reader would say it: ``module.name.attribute`` and the kinds of what lies between."""
    said = ""
    for above, thing in itertools.pairwise([None, *chain]):
        if objgraph.is_proper_module(thing):
            said += thing.__name__
        elif isinstance(above, dict):
            said += f".{next((key for key, value in above.items() if value is thing), '?')}"
        elif not isinstance(thing, dict):
            said += f" > {getattr(thing, '__qualname__', None) or type(thing).__qualname__}"
    return said


def decide(windows: list[dict], blank: list[dict]) -> dict:
    zero = blank[-1]["types"] if blank else {}
    both = {
        n: g for n, g in windows[-1]["types"].items() if n in windows[0]["types"] and g > zero.get(n, 0) + LEAST / 2
    }
    return {
        "verdict": "leak" if both else "clean",
        "objects": min(both.values(), default=0),
        "said": windows[-1]["said"],
    }
