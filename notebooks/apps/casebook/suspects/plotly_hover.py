"""A Plotly pane whose hovering changes a text."""

import panel as pn
import plotly.graph_objects as go

pn.extension("plotly")

pane = pn.pane.Plotly(go.Figure(go.Scatter(x=[1, 2, 3], y=[3, 1, 2])))

pn.Column(pane, pn.bind(lambda hovered: f"{hovered}", pane.param.hover_data)).servable()
