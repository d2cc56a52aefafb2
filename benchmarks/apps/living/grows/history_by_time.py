# holder: app\.history
# by: time
"""A periodic callback keeps what it has seen."""

import panel as pn

history = []
shown = pn.pane.Markdown("0")


def tick():
    history.append("x" * 5000)
    shown.object = str(len(history))


pn.state.add_periodic_callback(tick, period=100)
shown.servable()
