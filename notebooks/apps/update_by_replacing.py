"""A counter whose number is replaced by a new one."""

import panel as pn

pn.extension(notifications=True, reconnect=True)

add = pn.widgets.Button(name="Count one")
shown = pn.Column(pn.widgets.IntInput(name="Seen", value=0, disabled=True))


def count(event):
    shown[0] = pn.widgets.IntInput(name="Seen", value=add.clicks, disabled=True)


add.on_click(count)
pn.Column(add, shown).servable()
