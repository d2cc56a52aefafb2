"""Say what holds something, as a reader would: ``panel.io.state.state._views``, ``Thread(work)``.

Runs in the served process: standard library only. Nothing here changes what it names: an attribute is read
from an object's own dict or slots, never through a property.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import logging
import os
import re
import sys
import threading
import types
import weakref

from sessionlab.agent import plain
from sessionlab.agent.plain import is_a
from sessionlab.agent.where import is_app_file, is_app_module, shown

LRU = type(functools.lru_cache(lambda: None))
_POOL = os.path.join("concurrent", "futures", "thread.py")
# of param, and of what every task and timer carries along
_PLUMBING = ("_InstancePrivate", "_ClassPrivate", "deque", "Context", "hamt", "hamt_bitmap_node", "hamt_array_node")
_HASH = re.compile(r"[0-9a-f]{64}")  # the keys of panel.cache
# Their ``data`` goes without saying. Looked for among the bases: abstract classes remember what is_a() asks.
_WRAPPERS = plain.ids(
    collections.UserDict, collections.UserList, weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary
)
STDLIB = frozenset(sys.stdlib_module_names)
_SILENT = (
    types.BuiltinFunctionType,
    asyncio.Handle,
    types.CellType,
    tuple,
    list,
    dict,
    set,
    frozenset,
    types.MappingProxyType,
)


def owner_of(module: str) -> str:
    """The library that a module belongs to; ``app`` for the application's own, ``python`` for the standard library."""
    if is_app_module(module):
        return "app"
    top = module.partition(".")[0]
    return "python" if top in STDLIB else top


def bound_to(method):
    """Whose method it is: of a Parameterized's namespace, the Parameterized."""
    thing = method.__self__
    if plain.name_of(type(thing)) == "Parameters" and plain.module_of(type(thing)).startswith("param."):
        behind = plain.read(thing, "self")
        return thing if behind is None else behind
    return thing


def whose(thing) -> str:
    """The library that a step on the way to something belongs to: that of its code, or of its class."""
    if is_a(thing, types.MethodType):
        thing = thing.__func__
    if (code := code_of(thing)) is not None and not is_a(thing, threading.Thread | asyncio.Task):
        return "app" if is_app_file(code.co_filename) else library_of(code.co_filename)
    return owner_of(plain.module_of(type(thing)))


def library_of(filename: str) -> str:
    """The package of an installed file; ``python`` for what is none."""
    _, found, tail = filename.rpartition("-packages" + os.sep)
    return tail.partition(os.sep)[0].removesuffix(".py") if found else "python"


def code_of(thing):
    """The code that a function, method, partial, task, coroutine, generator or thread runs; else None."""
    for _ in range(8):
        if is_a(thing, functools.partial):
            thing = thing.func
        elif is_a(thing, types.MethodType):
            thing = thing.__func__
        elif is_a(thing, asyncio.Task):
            thing = _of_the_app(thing.get_coro())
        elif is_a(thing, threading.Thread):
            thing = plain.read(thing, "function") or plain.read(thing, "_target") or plain.read(thing, "run")
        elif is_a(thing, asyncio.Handle):
            thing = thing._callback
        elif is_a(thing, types.FunctionType | LRU) and (inner := plain.read(thing, "__wrapped__")) is not None:
            thing = inner
        else:
            break
    for name in ("__code__", "cr_code", "gi_code", "ag_code"):  # compiled by Cython too
        if not is_a(thing, type) and is_a(code := plain.read(thing, name), types.CodeType):
            return code
    return None


def _of_the_app(coroutine):
    """Of the coroutines that wait for each other, the first that the application wrote: a library may wrap it."""
    waiting = coroutine
    while is_a(waiting, types.CoroutineType):
        if is_app_file(waiting.cr_code.co_filename):
            return waiting
        waiting = waiting.cr_await
    return coroutine


def line_of(thing) -> str:
    """``app.py:12`` where the application defined what ``thing`` runs; else empty."""
    code = code_of(thing)
    if code is not None and is_app_file(code.co_filename):
        return f"{shown(code.co_filename)}:{code.co_firstlineno}"
    return ""


def call_name(thing) -> str:
    """The short name of what is run: ``work``, ``Dashboard.update``, ``lambda``."""
    code = code_of(thing)
    if code is None:
        return plain.qualname_of(type(thing))
    name = getattr(code, "co_qualname", code.co_name)
    return name.rpartition("<locals>.")[2].replace("<lambda>", "lambda")


def called(thing) -> str:
    where = line_of(thing)
    return f"{call_name(thing)} ({where})" if where else call_name(thing)


def class_name(cls: type) -> str:
    """``panel Row``, ``bokeh Document``, or ``Dashboard`` for a class of the application or of Python."""
    module = plain.module_of(cls)
    top = module.partition(".")[0]
    name = plain.qualname_of(cls).rpartition("<locals>.")[2]
    if top in STDLIB or top == "builtins" or is_app_module(module):
        return name
    return f"{top} {name}"


def described(thing) -> str:
    """One object, in a few words."""
    try:
        return _described(thing)
    except Exception:  # an attribute of a library that is not what it is everywhere else
        return class_name(type(thing))


def _described(thing) -> str:
    if is_a(thing, types.ModuleType):
        name = module_name(thing)
        return f"module {'of the app' if is_app_module(name) else name}"
    if is_a(thing, type):
        return f"class {class_name(thing)}"
    if is_a(thing, LRU):
        return lru_name(thing)
    if is_a(thing, weakref.ref):
        return "dead weak reference" if thing() is None else f"weak reference to {described(thing())}"
    if is_a(thing, threading.Thread):
        pooled = getattr(code_of(thing), "co_filename", "").endswith(_POOL)
        return f"{plain.name_of(type(thing))}({'worker of a ThreadPoolExecutor' if pooled else call_name(thing)})"
    if is_a(thing, asyncio.Task):
        return f"task {called(thing)}"
    if is_a(thing, types.MethodType):
        return f"method {called(thing)}"
    if is_a(thing, types.FunctionType | types.CoroutineType | types.GeneratorType):
        return f"{plain.name_of(type(thing))} {called(thing)}"
    if is_a(thing, functools.partial):
        return f"partial of {called(thing)}"
    if is_a(thing, logging.Logger):
        return f'logging.Logger "{thing.name}"'
    if _periodic(thing):
        return f"{plain.name_of(type(thing))}({called(plain.read(thing, 'callback'))})"
    return class_name(type(thing))


def lru_name(cache) -> str:
    function = plain.read(cache, "__wrapped__")
    module = plain.read(function, "__module__")
    module = module if is_a(module, str) else ""
    module = "" if module.startswith("bokeh_app_") else module + "."
    maxsize = cache.cache_parameters()["maxsize"]
    return f"functools.lru_cache {module}{plain.read(function, '__qualname__', '?')} maxsize={maxsize}"


def _periodic(thing) -> bool:
    kind = plain.name_of(type(thing))
    return kind in ("PeriodicCallback", "_AsyncPeriodic") and plain.read(thing, "callback") is not None


def attribute(holder, thing) -> str:
    """The name under which an instance or class holds ``thing``; empty when it cannot be told."""
    own = plain.body_of(holder) if is_a(holder, type) else plain.own_dict(holder)
    named = [*tuple(own.items()), *plain.slots_of(holder).items()]
    return next((name for name, value in named if value is thing and is_a(name, str)), "")


def knows_views(thing) -> bool:
    """Whether it is where pandas keeps, by weak references, what shares the values of a table.

    One without a counter drops the dead ones at once, as pandas 2.0 does: nothing of it grows.
    """
    kind = type(thing)
    return plain.name_of(kind) == "BlockValuesRefs" and plain.at_home(kind) and hasattr(thing, "clear_counter")


def path_name(things: list) -> str:
    """What a path from a root is called, given the objects on it: ``store.HUB.watchers['tick']``."""
    try:
        return _path_name(things)
    except Exception:  # a key whose repr raises, or the like
        return f"{class_name(type(things[0]))} … {class_name(type(things[-1]))}"


def _path_name(things: list) -> str:
    name, start = _base(things)
    for place in range(start, len(things) - 1):
        if plain.module_of(type(things[place])).partition(".")[0] == "pandas":
            break  # the inside of a table has names for its makers only
        above, thing = things[place], things[place + 1]
        name += _link(above, thing, things[place - 1] if place else None)
    return _tidy(name)


def _base(things: list) -> tuple[str, int]:
    """The name of the last object on a path that has a name of its own, and its place."""
    for place in range(len(things) - 1, 0, -1):
        thing = things[place]
        if is_a(thing, LRU):
            return lru_name(thing), place
        if is_a(thing, logging.Manager):  # the same one for every logger
            return "logging.Logger.manager", place
        if is_a(thing, logging.Logger):
            return described(thing) + " ", place
        if is_a(thing, threading.Thread | asyncio.Task):
            return described(thing), place
        if is_a(thing, types.ModuleType):  # not to be imported by its name, such as a --setup script
            return _module_name(thing), place
    root = things[0]
    if not is_a(root, types.ModuleType):
        return ("event loop" if is_a(root, asyncio.AbstractEventLoop) else class_name(type(root))), 0
    if len(things) < 3:
        return _module_name(root), len(things) - 1
    thing = things[2]
    return _global_name(root, thing), 2


def _module_name(module) -> str:
    name, file = module_name(module), file_of(module)
    if name.startswith("bokeh_app_"):
        return "app"
    known = sys.modules.get(name) is module
    return name if known or not file else os.path.basename(file).partition(".")[0]


def file_of(module) -> str | None:
    """The file of a module, if it has one."""
    file = plain.read(module, "__file__")
    return file if is_a(file, str) else None


def module_name(module) -> str:
    """What a module is called; it may be of a class that answers every attribute in its own way."""
    name = plain.read(module, "__name__")
    return name if is_a(name, str) else "?"


def _global_name(module, thing) -> str:
    """``module.name`` of a global, after the module that defines it rather than one that imports it."""
    homes = [module]
    kind = thing if is_a(thing, type | types.FunctionType) else type(thing)
    home = sys.modules.get(plain.module_of(kind) if is_a(kind, type) else kind.__module__ or "")
    if is_a(home, types.ModuleType):
        homes.insert(0, home)
    if is_a(thing, type):
        # a class with one instance beside it is better known by the instance: panel.io.state.state
        for name, value in list(plain.own_dict(homes[0]).items()):
            if type(value) is thing and not name.startswith("__"):
                return f"{_module_name(homes[0])}.{name}"
    for where in homes:
        for name, value in list(plain.own_dict(where).items()):
            if value is thing:
                return f"{_module_name(where)}.{name}"
    return f"{_module_name(module)}.?"


def _link(above, thing, before) -> str:
    """How ``thing`` hangs on ``above``: ``.attribute``, ``['key']`` or nothing for what goes without saying."""
    if is_a(thing, dict) and (is_a(above, types.ModuleType | type) or thing is plain.own_dict(above)):
        return ""
    if is_a(above, dict):
        key = next((k for k, v in list(above.items()) if v is thing), None)
        if is_a(before, types.ModuleType | type) or (before is not None and plain.own_dict(before) is above):
            return "" if _wraps(before, key) else f".{key}"
        if key is None:
            return " keys"
        return f"[{key!r}]" if is_a(key, str | int) and (len(repr(key)) < 30 or _HASH.fullmatch(str(key))) else "[…]"
    if is_a(above, LRU):
        return " entry"
    if is_a(above, list | tuple | set | frozenset) or is_a(above, collections.deque):
        return "[…]" if not is_a(above, tuple) else ""
    if is_a(above, types.CellType):
        return ""
    if is_a(above, types.FunctionType):
        if thing is above.__defaults__ or thing is above.__kwdefaults__:
            return " default arguments"
        return " closure" if is_a(thing, tuple | types.CellType) else ""
    if is_a(above, types.MethodType):
        return ""
    if is_a(thing, type) and type(above) is thing:
        return ""
    name = attribute(above, thing)
    return f".{name}" if name and not _wraps(above, name) else ""


def _wraps(owner, name) -> bool:
    """Whether an attribute of ``owner`` is the container that it stands for."""
    return name == "data" and not _WRAPPERS.isdisjoint(map(id, plain.mro(type(owner))))


def _tidy(name: str) -> str:
    for noise, short in (
        ("._param__private.values", ".param"),
        ("._param__private.watchers", ".param.watchers"),
        ("._param__private", ".param"),
        ("[…][…]", "[…]"),
    ):
        name = name.replace(noise, short)
    return name.replace(" .", " ").removesuffix("[…]").strip()


def chain(holder: str, things: list, most: int = 8) -> list[str]:
    """The steps from a holder to what it keeps, at most ``most`` of them.

    ``things`` are the objects from the holder on, the holder first. Containers, cells and instance dicts go
    without saying; what remains is named with the attribute it hangs on.
    """
    try:
        return _chain(holder, things, most)
    except Exception:  # as above
        return [holder, *(class_name(type(thing)) for thing in things[-1:])]


def _chain(holder: str, things: list, most: int) -> list[str]:
    steps, link = [holder], ""
    for above, thing, before in zip(things, things[1:], [None, *things], strict=False):
        link += _link(above, thing, before) if above is not things[0] else ""
        if is_a(thing, _SILENT) or plain.name_of(type(thing)) in _PLUMBING:
            continue
        text = described(thing)
        name = _tidy(link).strip(".").strip()
        steps.append(f".{name} → {text}" if name and not name.startswith("[") else text)
        link = ""
    steps = [step for step, before in zip(steps, ["", *steps], strict=False) if not before.endswith(step)]
    if len(steps) == 1 and len(things) > 1 and described(things[-1]) != holder:
        steps.append(class_name(type(things[1])))
    if len(steps) > most:
        steps = [*steps[: most // 2], "…", *steps[-(most - most // 2 - 1) :]]
    return steps
