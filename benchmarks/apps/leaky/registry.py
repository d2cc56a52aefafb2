# holder: (?i)_kept\.HUB\.subscribers
# objects: 1
"""The session's own view in a list of subscribers; the destroy hook that should remove it cannot see it."""

import _kept
import panel as pn

view = pn.pane.Markdown("# A view")
_kept.HUB.subscribers.append(view)


def leave(session_context):
    _kept.HUB.subscribers.remove(view)  # the script's globals are gone by then


pn.state.on_session_destroyed(leave)
pn.Column(view).servable()
