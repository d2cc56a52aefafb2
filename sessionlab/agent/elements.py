"""The element log: which HoloViews elements, Panel objects and Bokeh models an application makes.

Runs in the served process, and only while it is switched on; before that nothing is wrapped. Each event says
what happened to which object, in which session, by which callback and line of the application:

- created: the object was made;
- rendered: a model was attached to a document, a Panel object made its model, an element got its plot;
- updated: a property, a parameter, or what a plot shows was changed (``by`` is "browser" or "python");
- dropped: taken from the document, cleaned up, or destroyed with its session;
- freed: the object is no longer in memory.

``callback`` and ``where`` are the application's code that did it, empty when a library did it on its own;
``maker`` and ``made`` are those that made the object, or made the Panel object that it was made for.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import functools
import sys
import threading
import time
import weakref

from sessionlab.agent.patches import Patches, WhenImported
from sessionlab.agent.ring import EventRing
from sessionlab.agent.where import app_line, is_app_module

LOG_BYTES = 4 << 20
_building = contextvars.ContextVar("sessionlab_building", default="")


class _Object(weakref.ref):
    """What is remembered about a live object, without holding it."""

    __slots__ = ("key", "kind", "made", "maker", "number", "session", "type")
    key: int
    kind: str
    made: str
    maker: str
    number: int
    session: str
    type: str


class Elements:
    """Switched on, records what happens to elements, Panel objects and models into ``ring``."""

    def __init__(self):
        self.on = False
        self.ring = EventRing(64)  # the real one is taken when the log is switched on
        self.errors: set[str] = set()
        self._live: dict[int, _Object] = {}
        self._freed: collections.deque = collections.deque()
        self._made = 0
        self._watched: weakref.WeakSet = weakref.WeakSet()
        self._patches = Patches()
        self._importer: WhenImported | None = None
        self._active = threading.local()
        self._watcher = None  # the code that stands around every `_get_model` and the methods of plots

    @property
    def nbytes(self) -> int:
        return self.ring.nbytes

    # -- on and off ----------------------------------------------------------------------------------------

    def switch_on(self) -> None:
        if self.on:
            return
        if self.ring.nbytes < LOG_BYTES:
            self.ring = EventRing(LOG_BYTES)
        self.on = True
        self._watch_bokeh()
        actions = {
            "panel.viewable": self._watch_viewable,
            "panel.reactive": self._watch_reactive,
            "panel.pane.base": self._watch_panes,
            "holoviews.core.dimension": self._watch_elements,
            "holoviews.plotting.plot": self._watch_plots,
        }
        self._importer = WhenImported(actions)
        sys.meta_path.insert(0, self._importer)

    def switch_off(self) -> None:
        self.on = False
        self._patches.undo()
        self._watched = weakref.WeakSet()
        self._live.clear()
        if self._importer in sys.meta_path:
            sys.meta_path.remove(self._importer)

    def flush(self) -> None:
        """Write down which objects were freed. They only leave a note, for they are freed anywhere, even in here."""
        while self._freed:
            with contextlib.suppress(IndexError):
                self.ring.append(self._freed.popleft())

    # -- recording -----------------------------------------------------------------------------------------

    def record(self, what: str, kind: str, thing, detail: str = "", by: str = "python") -> None:
        """Note an event; a fault in here is kept in ``errors`` and never reaches the application."""
        if not self.on:
            return
        try:
            self.flush()
            known = self._live.get(id(thing))
            if known is None or known() is not thing:
                known = self._remember(kind, thing)
            where, callback = app_line(2)
            known.session = known.session or _session_of(thing)
            details = {"detail": detail} if detail else {}
            self.ring.append(_event(what, known, callback=callback, where=where, by=by, **details))
        except Exception as error:
            self.errors.add(f"elements: {what} {kind}: {error!r}")

    def _remember(self, kind: str, thing) -> _Object:
        known = _Object(thing, self._let_go)
        self._made += 1
        known.key, known.kind, known.number, known.type = id(thing), kind, self._made, type(thing).__qualname__
        known.made, known.maker = app_line(3, within=self._watcher)
        if not known.made:
            origin = self._rendering()
            known.made, known.maker = (origin.made, origin.maker) if origin else app_line(3)
        known.session = _session_of(thing)
        self._live[known.key] = known
        return known

    def _let_go(self, known: _Object) -> None:
        if self._live.get(known.key) is known:
            del self._live[known.key]
        self._freed.append(_event("freed", known, t=time.monotonic()))

    def _rendering(self) -> _Object | None:
        """The innermost Panel object that is making its model in this thread."""
        stack = getattr(self._active, "stack", ())
        return next((self._live[key] for key, _ in reversed(stack) if key in self._live), None)

    def _inside(self, thing, name: str):
        """Mark that ``name`` of ``thing`` runs; false when it does already and this is its base class's part."""
        if not hasattr(self._active, "stack"):
            self._active.stack = []
        return _Inside(self._active.stack, (id(thing), name))

    # -- what is watched -----------------------------------------------------------------------------------

    def _watch_bokeh(self) -> None:
        from bokeh.model import Model
        from bokeh.server.contexts import ApplicationContext

        def attach(original):
            def _attach_document(model, document):
                attached = model.document is document
                original(model, document)
                if not attached:
                    self.record("rendered", "bokeh", model)

            return _attach_document

        def trigger(original):
            def trigger(model, attr, old, new, hint=None, setter=None):
                original(model, attr, old, new, hint, setter)
                if model.document is not None:
                    by = "python" if setter is None else "browser"
                    self.record("updated", "bokeh", model, attr, by)

            return trigger

        def destroy(original):
            def destroy(model):
                self.record("dropped", "bokeh", model)  # before it forgets its document
                original(model)

            return destroy

        def create(original):
            async def create_session_if_needed(context, session_id, *args, **kwargs):
                _building.set(session_id)
                return await original(context, session_id, *args, **kwargs)

            return create_session_if_needed

        wrap = self._patches.wrap
        wrap(Model, "__init__", self._after("created", "bokeh"))
        wrap(Model, "_attach_document", attach)
        wrap(Model, "_detach_document", self._before("dropped", "bokeh"))
        wrap(Model, "destroy", destroy)
        wrap(Model, "trigger", trigger)
        wrap(ApplicationContext, "create_session_if_needed", create)

    def _watch_viewable(self, module) -> None:
        def init(original):
            def __init__(viewable, *args, **kwargs):
                self._watch_class(type(viewable), {"_get_model": ("rendered", "panel", _itself)})
                original(viewable, *args, **kwargs)
                self.record("created", "panel", viewable)

            return __init__

        def cleanup(original):
            def _cleanup(viewable, root=None):
                if root is not None and root.ref["id"] in viewable._models:
                    self.record("dropped", "panel", viewable)
                original(viewable, root)

            return _cleanup

        self._patches.wrap(module.Renderable, "__init__", init)
        self._patches.wrap(module.Renderable, "_cleanup", cleanup)
        # a Viewer has no model of its own: it is rendered by what it returns
        self._patches.wrap(module.Viewer, "__init__", self._after("created", "panel"))
        self._patches.wrap(module.Viewer, "_create_view", self._before("rendered", "panel"))

    def _watch_reactive(self, module) -> None:
        def apply(original):
            def _apply_update(syncable, events, msg, model, ref):
                self.record("updated", "panel", syncable, ", ".join(events))
                return original(syncable, events, msg, model, ref)

            return _apply_update

        def process(original):
            def _process_events(syncable, events):
                self.record("updated", "panel", syncable, ", ".join(events), by="browser")
                return original(syncable, events)

            return _process_events

        self._patches.wrap(module.Syncable, "_apply_update", apply)
        self._patches.wrap(module.Syncable, "_process_events", process)

    def _watch_panes(self, module) -> None:
        self._patches.wrap(module.Pane, "_update_object", self._before("updated", "panel", "object"))
        self._patches.wrap(module.ReplacementPane, "_update_inner", self._before("updated", "panel", "object"))

    def _watch_elements(self, module) -> None:
        self._patches.wrap(module.LabelledData, "__init__", self._after("created", "holoviews"))

    def _watch_plots(self, module) -> None:
        def init(original):
            def __init__(plot, *args, **kwargs):
                methods = {"initialize_plot": "rendered", "update_frame": "updated", "cleanup": "dropped"}
                wanted = {name: (what, "holoviews", _shown_by) for name, what in methods.items()}
                self._watch_class(type(plot), wanted)
                original(plot, *args, **kwargs)

            return __init__

        self._patches.wrap(module.Plot, "__init__", init)

    def _after(self, what: str, kind: str):
        def make(original):
            def method(thing, *args, **kwargs):
                original(thing, *args, **kwargs)
                self.record(what, kind, thing)

            return method

        return make

    def _before(self, what: str, kind: str, detail: str = ""):
        def make(original):
            def method(thing, *args, **kwargs):
                self.record(what, kind, thing, detail)
                return original(thing, *args, **kwargs)

            return method

        return make

    def _watch_class(self, cls: type, methods: dict) -> None:
        """Wrap ``methods`` wherever ``cls`` or a base defines them: the first time an object of it is made."""
        for owner in cls.__mro__:
            if owner in self._watched or not any(name in owner.__dict__ for name in methods):
                continue
            self._watched.add(owner)
            for name, (what, kind, subject) in methods.items():
                if name in owner.__dict__:
                    self._watch_method(owner, name, what, kind, subject)

    def _watch_method(self, owner: type, name: str, what: str, kind: str, subject) -> None:
        def make(original):
            def method(thing, *args, **kwargs):
                if not self.on:
                    return original(thing, *args, **kwargs)
                with self._inside(thing, name) as outermost:
                    shown = subject(thing) if what == "dropped" else None
                    result = original(thing, *args, **kwargs)
                    shown = shown if shown is not None else subject(thing)
                if outermost and shown is not None:
                    self.record(what, kind, shown)
                return result

            return method

        self._watcher = self._watcher or make(None).__code__
        if is_app_module(owner.__module__):
            # The class of a script must go with its session: no note is kept to undo this.
            setattr(owner, name, functools.wraps(owner.__dict__[name])(make(owner.__dict__[name])))
        else:
            self._patches.wrap(owner, name, make)


class _Inside:
    def __init__(self, stack: list, entry: tuple):
        self._stack, self._entry = stack, entry

    def __enter__(self) -> bool:
        outermost = self._entry not in self._stack
        self._stack.append(self._entry)
        return outermost

    def __exit__(self, *exc) -> None:
        self._stack.pop()


def _event(what: str, known: _Object, **more) -> dict:
    names = {name: getattr(known, name) for name in ("kind", "type", "session", "maker", "made")}
    return {"what": what, "object": known.number, **names, **more}


def _itself(thing):
    return thing


def _shown_by(plot):
    """The element that a plot shows now."""
    shown = getattr(plot, "current_frame", None)
    return shown if shown is not None else getattr(plot, "layout", None)


def _session_of(thing) -> str:
    """The id of the session that ``thing`` is made for, as far as the running code says."""
    document = getattr(thing, "document", None) if hasattr(type(thing), "_attach_document") else None
    if document is None and (panel := sys.modules.get("panel.io.state")) and hasattr(panel, "state"):
        document = panel.state.curdoc
    if document is None:
        from bokeh.io.doc import curdoc

        with contextlib.suppress(RuntimeError):
            document = curdoc()
    context = getattr(document, "session_context", None)
    return context.id if context is not None else _building.get()
