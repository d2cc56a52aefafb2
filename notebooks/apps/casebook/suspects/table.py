"""A Tabulator."""

import pandas as pd
import panel as pn

pn.extension("tabulator")

pn.widgets.Tabulator(
    pd.DataFrame({"a": range(20), "b": list("abcde" * 4)}), page_size=5, pagination="remote"
).servable()
