"""A ring of the newest hundred."""

from collections import deque

import panel as pn

rows = deque(maxlen=100)


def add(event):
    rows.append([0] * 200)


pn.Column(pn.widgets.Button(name="Add", on_click=add)).servable()
