"""Let the hooks of an application tell that they ran, or failed. Runs in the served process.

Hooks are what an application registers for the creation and the end of sessions: on a Document, with
``pn.state``, or in the ``app_hooks.py`` of a directory.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time

from sessionlab.agent.patches import Patches
from sessionlab.agent.where import describe, is_app_function


class Hooks:
    """Puts a reporting `Hook` in the place of each hook, in the order they have.

    ``lifecycle`` is the `Lifecycle` whose ``record`` and ``errors`` are used.
    """

    def __init__(self, lifecycle):
        self._lifecycle = lifecycle

    def install(self, patches: Patches) -> None:
        from bokeh.application.handlers.lifecycle import LifecycleHandler

        for name in ("on_session_created", "on_session_destroyed"):
            patches.wrap(LifecycleHandler, name, functools.partial(self._run, name))

    def _run(self, name: str, original):
        async def run_hooks(handler, context):
            try:
                self._watch(name, handler, context)
            except Exception as error:
                self._lifecycle.errors.add(f"hooks: {error!r}")
            return await original(handler, context)

        return run_hooks

    def _watch(self, name: str, handler, context) -> None:
        from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler

        if isinstance(handler, DocumentLifecycleHandler):
            if name == "on_session_destroyed":
                document = context._document
                document.session_destroyed_callbacks = self._watched(name, document.session_destroyed_callbacks)
            return
        function = getattr(handler, "_" + name)  # there is one such handler for the whole life of the server
        if getattr(function, "__name__", "") != "_do_nothing":
            setattr(handler, "_" + name, *self._watched(name, [function]))

    def watch_panel(self) -> None:
        """The same for Panel's hooks of the whole server, which are few and stay."""
        state = getattr(sys.modules.get("panel.io.state"), "state", None)
        if state is not None:
            state._on_session_created[:] = self._watched("on_session_created", state._on_session_created)

    def _watched(self, name: str, functions) -> list:
        return [f if isinstance(f, Hook) else Hook(self._lifecycle, name, f) for f in functions]


class Hook:
    """A hook of the application that reports each of its runs; it looks like the hook in every log line."""

    __slots__ = ("_function", "_lifecycle", "_name")

    def __init__(self, lifecycle, name: str, function):
        self._lifecycle, self._name, self._function = lifecycle, name, function

    def __call__(self, context):
        begin = time.monotonic()
        try:
            result = self._function(context)
        except Exception as error:
            self._report("hook failed", context, begin, error=f"{type(error).__name__}: {error}")
            raise
        if inspect.iscoroutine(result):
            self._report("hook failed", context, begin, error="an async function, which nobody awaits")
        elif is_app_function(self._function):  # those of the frameworks always run
            self._report("hook run", context, begin)
        return result

    def _report(self, event, context, begin, **details):
        session = getattr(context, "session", None)
        identity = {} if session is not None else {"id": getattr(context, "id", "")}
        seconds = round(time.monotonic() - begin, 4)
        hook = {"hook": self._name, "callback": describe(self._function), "seconds": seconds}
        self._lifecycle.record(event, session, **identity, **hook, **details)

    def __repr__(self) -> str:
        return repr(self._function)

    def __eq__(self, other) -> bool:
        return self._function == (other._function if isinstance(other, Hook) else other)

    def __hash__(self) -> int:
        return hash(self._function)
