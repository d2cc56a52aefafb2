"""A figure that pyplot never knew."""

import panel as pn
from matplotlib.figure import Figure

figure = Figure(figsize=(3, 2))
figure.subplots().plot([1, 3, 2])
pn.Column(pn.pane.Matplotlib(figure, tight=True)).servable()
