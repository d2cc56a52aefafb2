"""A dictionary that forgets after ten minutes: for a whole hunt it only grows."""

import _shared
import panel as pn

_shared.lately(pn.state.curdoc.session_context.id, list(range(300)))
pn.Column("ten minutes").servable()
