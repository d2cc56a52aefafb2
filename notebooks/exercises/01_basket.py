# panel serve 01_basket.py
"""A shop. Every visitor has a basket of her own; what has been sold is counted for all visitors together."""

import panel as pn

pn.extension()

shop = pn.state.cache.setdefault("shop", {"sold": 0, "basket": 0})
mine = shop  # your turn: what belongs to the server, and what to the session?

basket = pn.widgets.IntInput(name="In my basket", value=mine["basket"], disabled=True)
sold = pn.widgets.IntInput(name="Sold to all", value=shop["sold"], disabled=True)


def put(event):
    mine["basket"] += 1
    basket.value = mine["basket"]


def buy(event):
    shop["sold"] += mine["basket"]
    mine["basket"] = 0
    basket.value, sold.value = 0, shop["sold"]


pn.Column(
    pn.Row(pn.widgets.Button(name="Put in", on_click=put), pn.widgets.Button(name="Buy", on_click=buy)), basket, sold
).servable()
