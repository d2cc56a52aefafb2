# holder: app\.rows
# by: event
"""Every click keeps an array."""

import numpy as np
import panel as pn

rows = []
shown = pn.pane.Markdown("0")


def add(event):
    rows.append(np.random.rand(2000))
    shown.object = str(len(rows))


pn.Column(pn.widgets.Button(name="Add", on_click=add), shown).servable()
