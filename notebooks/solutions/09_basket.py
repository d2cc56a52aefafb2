# panel serve 09_basket.py --basic-auth secret --cookie-secret signs-the-cookies
"""A basket that belongs to a user. At her desk she fills it; on her telephone she goes on, after a restart too.

Every user logs in with the password secret. Nobody finds another one's things.
"""

import panel as pn
import param

# >>> solution
from sessionlab.harden import persist

# >>> stub
# # your turn
# <<<
pn.extension(reconnect=True)


class Basket(param.Parameterized):
    things = param.List()


basket = Basket()
thing = pn.widgets.TextInput(name="Thing")
add = pn.widgets.Button(name="Add", on_click=lambda event: basket.param.update(things=[*basket.things, thing.value]))
count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
basket.param.watch(lambda event: count.param.update(value=len(basket.things)), "things")
# >>> solution
persist(basket, key="user")
# >>> stub
# # your turn: whose is it?
# <<<

pn.Column(thing, add, count).servable()
