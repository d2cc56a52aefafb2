"""One plot that is shown, and one that is only defined."""

from pathlib import Path

import holoviews as hv
import pandas as pd
import panel as pn

pn.extension()
hv.extension("bokeh")

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()
species = pn.widgets.Select(name="Species", options=sorted(penguins.species.unique()))


def bills(kind):
    chosen = penguins[penguins.species == kind]
    return hv.Points(chosen, ["bill_length_mm", "bill_depth_mm"])


never_shown = hv.Curve(penguins, "year", "body_mass_g")

pn.Column(species, pn.pane.HoloViews(hv.DynamicMap(bills, streams={"kind": species}))).servable()
