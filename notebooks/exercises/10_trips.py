# panel serve 10_trips.py
"""Plan a trip: what so many days with so many people cost, and a note about it."""

import functools

import numpy as np
import panel as pn

pn.extension()  # your turn: here and below, until the audit is green

prices = np.random.default_rng(3).integers(50, 90, size=(5_000_000, 1))  # 40 MB
notes = pn.state.as_cached("notes", lambda: pn.widgets.TextInput(name="Note"))
days = pn.widgets.IntSlider(name="Days", start=1, end=30, value=3)
people = pn.widgets.Select(name="People", options=["one", "two", "three"])
total = pn.pane.Markdown()


@functools.cache
def price(number, many):
    return int(prices[:number].sum()) * {"one": 1, "three": 3}[many]


def show(event):
    total.object = f"The trip costs {price(days.value, people.value)}."


days.param.watch(show, "value")
people.param.watch(show, "value")
page = pn.Column(days, people, total, notes).servable()

if __name__ == "__main__":
    pn.serve(page, unused_session_lifetime=60_000)
