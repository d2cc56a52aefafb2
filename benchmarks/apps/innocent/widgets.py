"""One of every kind of widget, and a bound function."""

import panel as pn

pn.extension("tabulator")
number = pn.widgets.IntSlider(name="Number", end=20, value=3)
text = pn.widgets.TextInput(name="Text", value="a")
choice = pn.widgets.Select(name="Choice", options=["x", "y", "z"])
many = pn.widgets.MultiChoice(name="Many", options=["x", "y", "z"])
day = pn.widgets.Checkbox(name="Day")
button = pn.widgets.Button(name="Go")
shown = pn.bind(lambda n, t, c: f"{t}{c}" * n, number, text, choice)
pn.Column(number, text, choice, many, day, button, pn.Tabs(("One", shown), ("Two", "two"))).servable()
