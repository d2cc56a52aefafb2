# >>> solution
# panel serve 03_plan.py --unused-session-lifetime 31000 --check-unused-sessions 2000 --session-token-expiration 28800
# >>> stub
# # panel serve 03_plan.py
# # your turn: the flags, in the line above
# <<<
"""A dashboard of 5 MB a session. Only its flags are wrong.

- Its pages stay open for a working day of 8 hours.
- When the wire goes for 20 s, the user goes on where she was. (The browser tries after 0, 2, 6, 14 and 30 s.)
- Every 3 s a visitor comes and leaves at once. The sessions that wait may take 60 MB, at any moment: 12 sessions.
"""

import panel as pn

pn.extension(reconnect=True)

count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))

pn.Column(add, count).servable()
