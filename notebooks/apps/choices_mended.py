"""How heavy are they? One watcher for both widgets, from the start."""

from pathlib import Path

import pandas as pd
import panel as pn

pn.extension()

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()
species = pn.widgets.Select(name="Species", options=sorted(penguins.species.unique()))
unit = pn.widgets.RadioButtonGroup(name="Unit", options=["g", "kg"])
mean = pn.indicators.Number(name="Mean mass", format="{value:,.1f}")


def show(species, unit):
    chosen = penguins[penguins.species == species]
    mean.value = chosen.body_mass_g.mean() / (1000 if unit == "kg" else 1)


pn.bind(show, species, unit, watch=True)
pn.Column(species, unit, mean).servable()
