# holder: expiration_blocked_count
# objects: 1
# verdict: never-expires
"""A session that is blocked and never unblocked."""

import panel as pn

pn.state.onload(lambda state=pn.state: state.block_expiration())
pn.Column("Blocked").servable()
