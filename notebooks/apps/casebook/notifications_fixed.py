"""Notifications in a template, which takes its view out when the session ends."""

import panel as pn

pn.extension(notifications=True, template="fast")

pn.pane.Markdown("## Notifications").servable()
