"""A field book of penguins that were seen: kept nowhere, in the page, in a store, or for a user (`?keep=store`)."""

import panel as pn
import param
from bokeh.plotting import figure

from sessionlab.harden import persist, reconnect, recover_inputs

pn.extension(template="bootstrap", notifications=True)
pn.state.template.title = "Field book"
reconnect()

ISLANDS = ["Biscoe", "Dream", "Torgersen"]


class Book(param.Parameterized):
    seen = param.Dict(dict.fromkeys(ISLANDS, 0))


book = Book()
notes = pn.widgets.TextAreaInput(label="Notes")
island = pn.widgets.RadioButtonGroup(options=ISLANDS)
add = pn.widgets.Button(label="Another penguin", button_type="primary")
total = pn.widgets.IntInput(label="Penguins", disabled=True)
plot = figure(x_range=ISLANDS, height=200, toolbar_location=None)
bars = plot.vbar(x=ISLANDS, top=[0, 0, 0], width=0.6)


def count(event):
    book.seen = {**book.seen, island.value: book.seen[island.value] + 1}


def show(event):
    total.value = sum(book.seen.values())
    bars.data_source.data = {"x": ISLANDS, "top": [book.seen[name] for name in ISLANDS]}


add.on_click(count)
book.param.watch(show, "seen")

keep = pn.state.session_args.get("keep", [b"nowhere"])[0]
if keep == b"page":
    recover_inputs(notes, book.param.seen)
elif keep == b"store":
    persist(notes, book)
elif keep == b"user":
    persist(notes, book, key="user")

pn.Column(notes, pn.Row(island, add, total), pn.pane.Bokeh(plot)).servable()
