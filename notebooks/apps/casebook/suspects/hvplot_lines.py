"""Lines by species, with a hover tool: hvPlot draws them anew whenever the widget moves."""

from pathlib import Path

import hvplot.pandas  # noqa: F401 - gives data frames their ``hvplot``
import pandas as pd
import panel as pn

pn.extension()

penguins = pd.read_csv(Path(__file__).parents[4] / "data" / "penguins.csv").dropna()
heaviest = pn.widgets.IntSlider(name="Body mass at most (g)", start=3500, end=6300, value=6300)


def lines(grams):
    light = penguins[penguins.body_mass_g <= grams].sort_values("flipper_length_mm")
    return light.hvplot.line(x="flipper_length_mm", y="body_mass_g", by="species", hover_cols=["island"])


pn.Column(heaviest, pn.bind(lines, heaviest)).servable()
