"""Modules of 0.1 under the names that they had: an import of one works for one release, and says the new name."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import warnings

TO_THE_AGENT = (  # of `hunt`
    *("aging", "at_work", "bounds", "caches", "graph", "groups", "ledger", "lost", "names", "retainers"),
    *("rows", "running", "sizes", "source", "tracer", "values"),
)
MOVED = {
    **{f"hunt.{name}": f"agent.{name}" for name in TO_THE_AGENT},
    "audit": "checks",
    "audit.inside": "agent.audited",
    "harden.drain": "harden.draining",
    "harden.reconnect": "harden.reconnecting",
    "hunt": "leaks",
    "hunt.known": "leaks.advice",
    "hunt.look": "leaks.preflight",
    "hunt.phases": "leaks.hunter",
    "hunt.windows": "leaks.decision",
    "hunt.raised": "raised",
    "hunt.scenario": "client.scenario",
    "load": "capacity",
    "observe": "agent",
    "observe.client": "probe.client",
    "observe.probe": "agent.agent",
    "observe.element_log": "probe.element_log",
    "observe.results": "probe.results",
    "observe.timeline": "probe.timeline",
    "serve": "server",
    "visit": "client",
}


class _Moved(types.ModuleType):
    """A module that has another name now. Where its name was a function's as well, it can be called like that."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__spec__.loader_state), name)

    def __call__(self, *args, **options):
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        package, _, old = name.partition(".")
        if package != __package__ or not (new := _new(old)):
            return None
        new = f"{package}.{new}"
        if importlib.util.find_spec(new) is None:
            return None
        warnings.warn(f"{name} is called {new} now, and will be gone in 0.3.", DeprecationWarning, stacklevel=2)
        return importlib.machinery.ModuleSpec(name, self, loader_state=new, is_package=True)

    def create_module(self, spec):
        importlib.import_module(spec.loader_state)
        return _Moved(spec.name)

    def exec_module(self, module):
        """There is nothing to run: the module with the new name has been."""


def _new(old: str) -> str:
    """The new name of a module, both without the package; empty for one that has not moved."""
    for name in sorted(MOVED, key=len, reverse=True):
        if old == name or old.startswith(f"{name}."):
            return MOVED[name] + old[len(name) :]
    return ""


def install() -> None:
    """Look for the old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # first: an old folder may still be there, with what was compiled
