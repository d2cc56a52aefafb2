"""A counter whose number changes in place."""

import panel as pn

pn.extension(notifications=True, reconnect=True)

add = pn.widgets.Button(name="Count one")
shown = pn.Column(pn.widgets.IntInput(name="Seen", value=0, disabled=True))


def count(event):
    shown[0].value = add.clicks


add.on_click(count)
pn.Column(add, shown).servable()
