# panel serve 02_lost.py
"""A page that says so when its session was lost.

After a long outage the page comes back, into a fresh session under the same id. The user must be told, and nobody else.
"""

import panel as pn

pn.extension(reconnect=True)

LOST = "Your session had ended. What you had entered is gone."

count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))

# >>> solution
# A session that replaces another has its id. (A list that is never cut would be a leak.)
seen = pn.state.cache.setdefault("sessions seen", [])
here = pn.state.curdoc.session_context.id
replaces_another = here in seen
seen.append(here)
del seen[:-10_000]
# >>> stub
# replaces_another = False  # your turn: how can a session know?
# <<<

pn.Column(LOST if replaces_another else "Welcome.", add, count).servable()
