# holder: on the page
# by: event
"""A table that gains a row with every click."""

import pandas as pd
import panel as pn

pn.extension("tabulator")
table = pn.widgets.Tabulator(pd.DataFrame({"order": [0], "item": ["tea"]}))


def add(event):
    table.stream(pd.DataFrame({"order": [len(table.value)], "item": ["tea"]}), follow=False)


pn.Column(pn.widgets.Button(name="Order", on_click=add), table).servable()
