# panel serve 08_cap.py --unused-session-lifetime 3600000 --session-token-expiration 86400
"""A promise: who is away for half an hour finds everything. Then a link to the app goes round, and the memory is full.

Keep the promise for the ten users who left last, and give up the others. Who is connected is never sent away, and
everybody is let in.
"""

import panel as pn

# >>> solution
from sessionlab.harden import SessionLimits

SessionLimits(retained=10).install()
# >>> stub
# # your turn
# <<<

pn.extension(reconnect=True)

count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))

pn.Column(add, count).servable()
