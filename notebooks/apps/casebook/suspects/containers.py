"""Rows, Columns, Tabs, Cards, a gauge: what the two programs of the thread had in common."""

import panel as pn

pn.extension("echarts")

number = pn.widgets.IntSlider(name="Number", end=10)
gauge = pn.indicators.Gauge(name="Load", value=40)
tabs = pn.Tabs(("A", pn.Row(number, gauge)), ("B", pn.Card("text", title="Card")), ("C", pn.Accordion(("D", "text"))))

pn.Column(tabs, pn.bind(lambda number: f"## {number}", number)).servable()
