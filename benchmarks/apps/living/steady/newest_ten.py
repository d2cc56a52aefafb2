"""A page that shows the newest ten of what was clicked."""

import panel as pn

log = pn.Column()


def add(event):
    log.append(pn.pane.Markdown("one more"))
    if len(log) > 10:
        log.pop(0)


pn.Column(pn.widgets.Button(name="Add", on_click=add), log).servable()
