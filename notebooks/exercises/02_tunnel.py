# panel serve 02_tunnel.py --session-token-expiration 3600
"""A counter of passengers, on a tablet in a train. Nobody has marked what is wrong with it.

A shift has eight hours, and the page is opened once. Tunnels take up to a minute: afterwards the count is there. After
a night in the depot the count begins anew, and the page counts all the same. Whoever has logged off is forgotten after
ten minutes.
"""

import panel as pn

pn.extension(reconnect=True)

add = pn.widgets.Button(name="Add one")
shown = pn.Column(pn.widgets.IntInput(name="Count", value=0, disabled=True))


def count(event):
    shown[0] = pn.widgets.IntInput(name="Count", value=add.clicks, disabled=True)


add.on_click(count)
pn.Column(add, shown).servable()
