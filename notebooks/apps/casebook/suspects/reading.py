"""A table that is read from a pickle inside the function that shows it."""

import io
from pathlib import Path

import pandas as pd
import panel as pn

pn.extension()

pickled = io.BytesIO()
pd.read_csv(Path(__file__).parents[4] / "data" / "penguins.csv").to_pickle(pickled)
number = pn.widgets.IntSlider(name="Number", start=1, end=10)


def head(number):
    pickled.seek(0)
    return pd.read_pickle(pickled).head(number)


pn.Column(number, pn.bind(head, number)).servable()
