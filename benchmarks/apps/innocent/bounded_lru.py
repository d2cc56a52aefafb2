"""An lru_cache that is larger than a window."""

import _shared
import panel as pn

pn.Column(str(len(_shared.lookup(pn.state.curdoc.session_context.id)))).servable()
