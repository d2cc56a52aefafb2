"""`plt.figure` without `plt.close`: pyplot keeps every figure, so that `plt.show` could show it."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import panel as pn

pn.extension()

figure, axes = plt.subplots(figsize=(3, 2))
axes.plot([1, 3, 2])

pn.Column(pn.pane.Matplotlib(figure)).servable()
