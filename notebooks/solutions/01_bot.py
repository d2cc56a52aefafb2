# panel serve 01_bot.py
"""A page with a large table. Search engines ask for it all day, and each time the table is loaded for nobody."""

import os
from pathlib import Path
from urllib.request import urlopen

import panel as pn

pn.extension()

SOURCE = os.environ.get("SOURCE") or (Path(__file__).parents[2] / "data" / "penguins.csv").as_uri()


def load():
    """The rows of the table. It is large and far away."""
    with urlopen(SOURCE) as answer:
        return answer.read().decode().splitlines()[1:]


def show():
    rows.object = f"{len(load())} rows"


rows = pn.pane.Markdown("The table is on its way.")
# >>> solution
pn.state.onload(show)  # runs when a browser has opened its websocket and shows the page
# >>> stub
# show()  # your turn: a bot asks for the page and never opens a websocket
# <<<
rows.servable()
