"""A clock."""

import datetime as dt

import panel as pn

shown = pn.pane.Markdown("")


def tick():
    shown.object = f"{dt.datetime.now():%H:%M:%S}"


pn.state.add_periodic_callback(tick, period=100)
shown.servable()
