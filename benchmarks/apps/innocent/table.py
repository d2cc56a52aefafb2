"""A table and a shared frame."""

import pandas as pd
import panel as pn

pn.extension("tabulator")


@pn.cache
def frame():
    return pd.DataFrame({"a": range(500), "b": [f"row {n}" for n in range(500)]})


pn.Column(pn.widgets.Tabulator(frame(), pagination="remote", page_size=10)).servable()
