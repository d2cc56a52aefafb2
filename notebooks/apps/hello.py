"""Penguins at least as heavy as the slider says."""

from pathlib import Path

import pandas as pd
import panel as pn

pn.extension()

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()
mass = pn.widgets.IntSlider(name="Body mass at least (g)", start=2700, end=6300, step=100, value=4000)


def count(grams):
    heavy = penguins[penguins.body_mass_g >= grams]
    return f"### {len(heavy)} of {len(penguins)} penguins"


pn.Column(mass, pn.bind(count, mass)).servable()
