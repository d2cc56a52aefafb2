# holder: state\.param\['cache'\]
# objects: 1
"""The data of every session in the cache that all share."""

import panel as pn

pn.state.cache[pn.state.curdoc.session_context.id] = list(range(500))
pn.Column("pn.state.cache").servable()
