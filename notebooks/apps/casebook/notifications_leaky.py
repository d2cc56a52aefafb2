"""Notifications, without a template."""

import panel as pn

pn.extension(notifications=True)

pn.pane.Markdown("## Notifications").servable()
