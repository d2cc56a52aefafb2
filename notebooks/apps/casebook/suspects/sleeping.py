"""The cure that the thread proposes: to sleep after each plot, so that it is finished."""

import time

import panel as pn

pn.extension()

print("sleeping", flush=True)
pn.Column("A plot").servable()
time.sleep(0.1)
pn.Column("Another plot").servable()
time.sleep(0.1)
