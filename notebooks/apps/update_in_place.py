"""A counter whose text changes in place."""

import panel as pn

pn.extension(notifications=True, reconnect=True)

add = pn.widgets.Button(name="Count one")
shown = pn.Column(pn.pane.Str("0"))


def count(event):
    shown[0].object = str(add.clicks)


add.on_click(count)
pn.Column(add, shown).servable()
