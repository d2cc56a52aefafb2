"""Put in place by import: blocks of the current session, and of no other."""

from contextlib import contextmanager, nullcontext

from panel.io.state import state


def current_session(state):
    context = state.curdoc and state.curdoc.session_context
    return context and context.session


def block_expiration(self):
    """Block expiration of the current session; as a context manager, unblock that session afterwards."""
    session = current_session(self)
    if session is None:
        return nullcontext()
    session.block_expiration()

    @contextmanager
    def unblock():
        try:
            yield
        finally:
            # This session, even if another one is current by now, as in a thread; and none that has gone since.
            if session.expiration_blocked:
                session.unblock_expiration()

    return unblock()


def unblock_expiration(self):
    """Take back one block of the current session."""
    session = current_session(self)
    if session is not None and session.expiration_blocked:
        session.unblock_expiration()


type(state).block_expiration = block_expiration
type(state).unblock_expiration = unblock_expiration
