"""What an audit asks in the served process: settings, documents, hooks, shared objects, and which hooks run.

Loaded through ``probe.extend("audited")``. Standard library, Bokeh and Tornado only; Panel where the application
has imported it. Nothing of a session is kept.
"""

from __future__ import annotations

import gc
import sys
import threading

from sessionlab.agent import attach
from sessionlab.agent.announce import announce
from sessionlab.agent.hooks import Hook
from sessionlab.agent.where import describe, is_app_function

HARDENED_HOOKS, HARDENED_RECONNECT = "_sessionlab_hooks", "_sessionlab_reconnect"


def install(agent) -> None:
    """Let ``agent`` answer for an audit."""
    inside = Inside(agent)
    agent.extra.update(get_settings=inside.settings, get_documents=inside.documents, get_held=inside.held)
    agent.extra.update(get_shared=inside.shared, post_listen=inside.listen)


class Inside:
    def __init__(self, agent):
        self._agent = agent

    async def settings(self, ask) -> dict:
        """What the server works with, whoever set it. Durations are seconds."""
        from bokeh.server.auth_provider import NullAuth

        server = next(iter(self._agent.servers))
        return {
            "lifetime": server._unused_session_lifetime_milliseconds / 1000,
            "check": server._check_unused_sessions_milliseconds / 1000,
            "token_expiration": getattr(server, "_session_token_expiration", 300),  # what FastAPI's says
            "keep_alive": server._keep_alive_milliseconds / 1000,
            "origins": sorted(server._websocket_origins),
            "prefix": server._prefix,
            "login": type(getattr(server, "auth_provider", NullAuth())) is not NullAuth,
            "routes": sorted(self._routes(server)),
            "fastapi": not hasattr(server, "wildcard_router"),
            "address": attach.asked.get("address"),
        }

    def _routes(self, server):
        if not hasattr(server, "wildcard_router"):
            return (route.path for route in server.app.routes if hasattr(route, "path"))
        patterns = (getattr(rule.matcher, "regex", None) for rule in server.wildcard_router.rules)
        return (pattern.pattern for pattern in patterns if pattern is not None)

    async def documents(self, ask) -> dict:
        """For every session: what its page was told about reconnecting, and its destroy hooks."""
        return {"documents": [self._document(session) for _, session in self._agent._sessions()]}

    def _document(self, session) -> dict:
        doc = session.document
        panel = sys.modules.get("panel.config")
        config = panel.config._session_config.get(doc, {}) if panel else {}
        usual = {name: getattr(panel.config, name, None) for name in ("reconnect", "notifications")} if panel else {}
        return {
            "id": session.id,
            "tries": bool(doc.config.reconnect_session),
            "prompts": config.get("reconnect", usual.get("reconnect")) == "prompt",
            "notifies": bool(config.get("notifications", usual.get("notifications"))),
            "hardened": HARDENED_RECONNECT in vars(doc),
            "hooks": sorted(describe(function) for function in self._hooks(session)),
        }

    def _hooks(self, session):
        """The functions of the application that are to run when this session ends."""
        doc = session.document
        own = list(doc.session_destroyed_callbacks)
        own += [fn for fn, _ in getattr(vars(doc).get(HARDENED_HOOKS), "_queue", ())]
        for context, other in self._agent._sessions():
            if other is session:
                own += [getattr(h, "_on_session_destroyed", None) for h in context.application.handlers]
        functions = [f._function if isinstance(f, Hook) else f for f in own if f is not None]
        return [f for f in functions if is_app_function(f)]

    async def held(self, ask) -> dict:
        """How many notification areas Panel keeps whose session is gone, or that no session ever had."""
        state = getattr(sys.modules.get("panel.io.state"), "state", None)
        if state is None:
            return {"held": 0}
        from panel.io.notifications import NotificationAreaBase

        living = {id(session.document) for _, session in self._agent._sessions()}
        areas = [doc for view, _, doc, _ in list(state._views.values()) if isinstance(view, NotificationAreaBase)]
        return {"held": sum(id(doc) not in living for doc in areas)}

    async def shared(self, ask) -> dict:
        """Panel objects that are on the pages of several sessions at once, by type and name."""
        state = getattr(sys.modules.get("panel.io.state"), "state", None)
        if state is None:
            return {"shared": []}
        from panel.viewable import Viewable

        docs = {session.document for _, session in self._agent._sessions()}
        found = []
        for thing in gc.get_objects():
            if isinstance(thing, Viewable):
                models = (entry[0] for entry in tuple(thing._models.values()))
                if len({id(model.document) for model in models if model.document in docs}) > 1:
                    found.append(f"{type(thing).__name__} {thing.name!r}")
        return {"shared": sorted(found)}

    async def listen(self, ask) -> dict:
        """From now on announce each destroy hook of the application that is called, by whom ever."""
        codes = {}
        for _, session in self._agent._sessions():
            for function in self._hooks(session):
                while hasattr(function, "func"):  # functools.partial
                    function = function.func
                codes[getattr(function, "__func__", function).__code__] = describe(function)

        handlers = [
            handler
            for server in self._agent.servers
            for context in server._applications.values()
            for handler in context.application.handlers
        ]
        unloading = [f for handler in handlers if (f := getattr(handler, "_on_server_unloaded", None)) is not None]
        unloading = [function for function in unloading if is_app_function(function)]
        codes.update({function.__code__: describe(function) for function in unloading})

        def called(frame, event, argument):
            if event == "call" and frame.f_code in codes:
                announce(event="hook-called", hook=codes[frame.f_code])

        sys.setprofile(called)
        threading.setprofile(called)
        return {"unloading": sorted(map(describe, unloading))}
