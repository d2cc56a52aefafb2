"""A template."""

import panel as pn

pn.extension(template="fast")

number = pn.widgets.IntSlider(name="Number", end=10).servable(target="sidebar")
pn.Column(pn.bind(lambda number: f"## {number}", number)).servable()
