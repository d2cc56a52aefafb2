# holder: app\.log|memory|log
# by: event
"""One text that is made longer by every click."""

import panel as pn

log = {"text": ""}


def write(event):
    log["text"] += "a line of what happened just now, and of whatever came with it" * 60


pn.Column(pn.widgets.Button(name="Write", on_click=write)).servable()
