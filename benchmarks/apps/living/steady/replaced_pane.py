"""What a click shows takes the place of what was there."""

import panel as pn

place = pn.Column(pn.pane.Markdown("nothing yet"))


def show(event):
    place[:] = [pn.pane.Markdown("this"), pn.widgets.Button(name="Inside")]


pn.Column(pn.widgets.Button(name="Show", on_click=show), place).servable()
