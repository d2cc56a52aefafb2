# holder: Gcf|pylab_helpers|pyplot
# objects: 1
"""plt.figure without plt.close: pyplot keeps every figure."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import panel as pn

figure, axes = plt.subplots(figsize=(3, 2))
axes.plot([1, 3, 2])
pn.Column(pn.pane.Matplotlib(figure, tight=True)).servable()
