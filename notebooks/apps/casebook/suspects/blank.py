"""Nothing but text: Panel, Bokeh and Tornado themselves."""

import panel as pn

pn.extension()

pn.pane.Markdown("## Hello").servable()
