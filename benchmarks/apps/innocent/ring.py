"""A ring buffer of a hundred places."""

import _shared
import panel as pn

_shared.into_ring({"rows": list(range(100))})
pn.Column("ring").servable()
