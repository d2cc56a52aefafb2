"""How heavy are they? Every choice of a species watches the unit once more."""

from pathlib import Path

import pandas as pd
import panel as pn

pn.extension()

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()
species = pn.widgets.Select(name="Species", options=sorted(penguins.species.unique()))
unit = pn.widgets.RadioButtonGroup(name="Unit", options=["g", "kg"])
mean = pn.indicators.Number(name="Mean mass", format="{value:,.1f}")


def choose(event):
    chosen = penguins[penguins.species == species.value]

    def show(event=None):
        mean.value = chosen.body_mass_g.mean() / (1000 if unit.value == "kg" else 1)

    unit.param.watch(show, "value")
    show()


species.param.watch(choose, "value")
pn.Column(species, unit, mean).servable()
