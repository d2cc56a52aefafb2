"""A template, which the forum suspected."""

import panel as pn

pn.extension(notifications=True, template="fast")
slider = pn.widgets.FloatSlider(name="x", end=1)
slider.servable(target="sidebar")
pn.pane.Markdown(pn.bind(lambda x: f"# {x}", slider)).servable()
