"""The same hook: what it needs is its default argument."""

import panel as pn
from shared import Refresher

pn.extension()

refresher = Refresher()


def leave(session_context, refresher=refresher):
    refresher.stopped.set()
    refresher.join()


pn.state.on_session_destroyed(leave)

pn.Column("Refreshed").servable()
