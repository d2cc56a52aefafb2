"""Two widgets that follow each other, in the browser and in Python."""

import panel as pn

pn.extension()

one, two, three = (pn.widgets.IntSlider(name=name, end=10) for name in ("One", "Two", "Three"))
one.jslink(two, value="value", bidirectional=True)
two.link(three, value="value", bidirectional=True)

pn.Column(one, two, three).servable()
