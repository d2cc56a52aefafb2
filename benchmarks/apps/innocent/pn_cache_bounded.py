"""pn.cache with a bound that is larger than the run."""

import panel as pn


@pn.cache(max_items=500)
def load(who):
    return [who] * 100


load(pn.state.curdoc.session_context.id)
pn.Column("pn.cache").servable()
