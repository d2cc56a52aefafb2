"""A dashboard that loads 4 MB for every session."""

import numpy as np
import panel as pn

pn.extension()

table = np.random.default_rng(0).normal(size=500_000)
start = pn.widgets.IntSlider(name="First row", end=len(table) - 1)


def total(first):
    return f"The rows from {first} on add up to {table[first:].sum():.1f}."


pn.Column(start, pn.bind(total, start)).servable()
