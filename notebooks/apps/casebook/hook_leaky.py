"""A thread, and a hook that should stop it. When the hook runs, the script's globals are gone."""

import panel as pn
from shared import Refresher

pn.extension()

refresher = Refresher()


def leave(session_context):
    refresher.stopped.set()


pn.state.on_session_destroyed(leave)

pn.Column("Refreshed").servable()
