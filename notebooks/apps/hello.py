"""Penguins at least as heavy as the slider says."""

from pathlib import Path

import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from bokeh.transform import factor_cmap

pn.extension(template="bootstrap", notifications=True, reconnect=True)
pn.state.template.title = "Penguins"

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()
mass = pn.widgets.IntSlider(name="Body mass at least (g)", start=2700, end=6300, step=100, value=4000)

shown = ColumnDataSource(penguins.to_dict("list"))
plot = figure(height=260, sizing_mode="stretch_width", tooltips="@species, @body_mass_g g")
plot.xaxis.axis_label, plot.yaxis.axis_label = "Bill length (mm)", "Bill depth (mm)"
colour = factor_cmap("species", "Colorblind3", sorted(penguins.species.unique()))
plot.scatter("bill_length_mm", "bill_depth_mm", size=7, alpha=0.7, color=colour, source=shown)


def choose(grams):
    heavy = penguins[penguins.body_mass_g >= grams]
    shown.data = heavy.to_dict("list")
    return f"### {len(heavy)} of {len(penguins)} penguins"


pn.Column(mass, pn.bind(choose, mass), pn.pane.Bokeh(plot)).servable()
