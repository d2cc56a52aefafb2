# holder: PeriodicCallback|_session_callbacks|task
# by: event
"""Every click begins one more periodic callback."""

import panel as pn

shown = pn.pane.Markdown("")


def update():
    shown.object = "now"


def begin(event):
    pn.state.add_periodic_callback(update, period=60_000)


pn.Column(pn.widgets.Button(name="Begin", on_click=begin), shown).servable()
