# holder: _kept\.NOTES
# bytes: 1081
"""One kilobyte a session, under a key of its own."""

import _kept
import panel as pn

_kept.NOTES[pn.state.curdoc.session_context.id] = bytes(1000 - 44)
pn.Column("One kilobyte a session").servable()
