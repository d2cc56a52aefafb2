# holder: on the page
# by: event
"""Every click adds a pane to the page, and none is taken away."""

import panel as pn

log = pn.Column()


def add(event):
    log.append(pn.pane.Markdown("one more"))


pn.Column(pn.widgets.Button(name="Add", on_click=add), log).servable()
