"""Chapter 01."""

from ..attempts import EMPTY, Wrong

SHOP = """import panel as pn

pn.extension()
pn.Column(
    *(pn.widgets.Button(name=name) for name in ("Put in", "Buy")),
    pn.widgets.IntInput(name="In my basket", value=3),
    pn.widgets.IntInput(name="Sold to all", value=4),
).servable()
"""

STUBS = {
    "01-bot": ("The table is loaded for bots", "3 pages without a websocket: the table was asked for 3 times"),
    "01-basket": ("The baskets of the visitors are mixed up", "their baskets hold 3, 4, 4"),
}

WRONG = {
    "01-bot": [
        Wrong(
            "an empty app",
            "import panel as pn\n\npn.Column().servable()\n",
            "A visitor does not see how many rows",
            "asked for 0 times; the page says: nothing",
        ),
        Wrong(
            "in a thread",
            ("import threading\n\nthreading.Thread(target=load).start()",),
            "The table is loaded for bots",
        ),
        Wrong(
            "once for all",
            ("table = pn.state.as_cached('table', load)\nrows.object = f'{len(table)} rows'",),
            "The table is loaded for bots",
            "asked for 1 times",
        ),
        Wrong("the expected text", ('rows.object = "344 rows"',), "A visitor does not see how many rows", "344 rows"),
    ],
    "01-basket": [
        EMPTY,
        Wrong(
            "everything in the session",
            ('shop = mine = {"sold": 0, "basket": 0}',),
            "What the others bought is not counted",
            "a new visitor reads: 0 sold",
        ),
        Wrong(
            "one basket for each user name",
            (
                'shop = pn.state.cache.setdefault("shop", {"sold": 0})\n'
                "mine = pn.state.cache.setdefault(str(pn.state.user), {'basket': 0})",
            ),
            "The baskets of the visitors are mixed up",
        ),
        Wrong("shows the expected numbers", SHOP, "The baskets of the visitors are mixed up", "hold 3, 3, 3"),
    ],
}
