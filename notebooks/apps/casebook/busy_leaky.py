"""Something bound to `pn.state.param.busy`. `pn.state` is one object for all sessions."""

import panel as pn

pn.extension()

pn.Column(pn.bind(lambda busy: "working" if busy else "idle", pn.state.param.busy)).servable()
