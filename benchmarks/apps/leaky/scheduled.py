# holder: state\._scheduled
# objects: 1
"""A scheduled task under a name of its own: the schedule is the whole server's."""

import _kept
import panel as pn

pn.state.schedule_task(f"nightly {pn.state.curdoc.session_context.id}", _kept.nightly, period="1h")
pn.Column("Scheduled").servable()
