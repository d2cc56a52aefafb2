"""A figure that pyplot does not know."""

import panel as pn
from matplotlib.figure import Figure

pn.extension()

figure = Figure(figsize=(3, 2))
figure.subplots().plot([1, 3, 2])

pn.Column(pn.pane.Matplotlib(figure)).servable()
