"""What is older than a minute is forgotten, by the clock."""

import time

import panel as pn

seen = []
shown = pn.pane.Markdown("")


def tick():
    now = time.time()
    seen.append((now, [0] * 100))
    seen[:] = [each for each in seen if now - each[0] < 60]
    shown.object = f"{len(seen)} in the last minute"


pn.state.add_periodic_callback(tick, period=1000)
shown.servable()
