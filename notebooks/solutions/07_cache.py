# panel serve 07_cache.py
"""Reports, one for each number, that take long to make. They are kept for all users, and none is ever given up."""

import os
from pathlib import Path
from urllib.request import urlopen

import panel as pn

pn.extension()

SOURCE = os.environ.get("SOURCE") or (Path(__file__).parents[2] / "data" / "penguins.csv").as_uri()


# >>> solution
@pn.cache(max_items=20, policy="LRU")
# >>> stub
# @pn.cache  # your turn: keep the 20 that were used last
# <<<
def report(number):
    with urlopen(SOURCE) as answer:
        return f"Report {number} of {len(answer.readlines()) - 1} rows"


number = pn.widgets.IntInput(name="Number", value=1)
pn.Column(number, pn.bind(report, number)).servable()
