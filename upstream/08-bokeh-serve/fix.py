"""Put in place by import: the hook that ends a session takes its Document out of all of `state`, on any server."""

from weakref import WeakKeyDictionary

from panel.io.state import _state

_original = _state._destroy_session


def _destroy_session(self, session_context):
    """As before; then the Document leaves every dictionary that it is a key of."""
    _original(self, session_context)
    for name in dir(_state):
        registry = getattr(self, name) if name.startswith("_") and not name.startswith("__") else None
        if isinstance(registry, WeakKeyDictionary):
            registry.pop(session_context._document, None)


_state._destroy_session = _destroy_session
