"""An app that keeps three sessions for users who have left, and serves five at a time."""

import panel as pn

from sessionlab.harden import SessionLimits

SessionLimits(retained=3, live=5).install()

pn.extension()
pn.widgets.TextInput(label="note").servable()
