"""A counter whose text is replaced by a new one."""

import panel as pn

pn.extension(notifications=True, reconnect=True)

add = pn.widgets.Button(name="Count one")
shown = pn.Column(pn.pane.Str("0"))


def count(event):
    shown[0] = pn.pane.Str(str(add.clicks))


add.on_click(count)
pn.Column(add, shown).servable()
