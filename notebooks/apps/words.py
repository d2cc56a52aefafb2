"""A page with messages of its own: for when it is ready, and for when it has lost its server."""

import panel as pn

pn.extension(
    notifications=True,
    reconnect=True,
    ready_notification="Your numbers are here.",
    disconnect_notification="We have lost the server. We keep trying.",
)

pn.indicators.Number(name="Orders today", value=42).servable()
