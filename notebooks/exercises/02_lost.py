# panel serve 02_lost.py
"""A page that says so when its session was lost.

After a long outage the page comes back, into a fresh session under the same id. The user must be told, and nobody else.
"""

import panel as pn

pn.extension(reconnect=True)

LOST = "Your session had ended. What you had entered is gone."

count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))

replaces_another = False  # your turn: how can a session know?

pn.Column(LOST if replaces_another else "Welcome.", add, count).servable()
