"""A Matplotlib figure that is made anew for every value."""

import panel as pn
from matplotlib.figure import Figure

power = pn.widgets.IntSlider(name="Power", start=1, end=5)


def drawn(power):
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([x**power for x in range(10)])
    return pn.pane.Matplotlib(figure, tight=True)


pn.Column(power, pn.bind(drawn, power)).servable()
