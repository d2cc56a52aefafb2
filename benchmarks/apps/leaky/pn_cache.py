# holder: panel\.cache load
# objects: 1
"""pn.cache without a bound, and an argument that no two sessions share."""

import panel as pn


@pn.cache
def load(who):
    return [who] * 300


load(pn.state.curdoc.session_context.id)
pn.Column("pn.cache").servable()
