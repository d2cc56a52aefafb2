# panel serve 08_probe.py
"""A load balancer asks this server every five seconds whether it lives. Each time the whole app runs for it.

The flags stand in the line `# panel serve`.
"""

import os
from pathlib import Path
from urllib.request import urlopen

import panel as pn

PROBE = "/08_probe"  # your turn: an address that answers 200 and costs nothing

pn.extension()

SOURCE = os.environ.get("SOURCE") or (Path(__file__).parents[2] / "data" / "penguins.csv").as_uri()
with urlopen(SOURCE) as answer:
    rows = len(answer.readlines()) - 1
pn.pane.Markdown(f"{rows} rows").servable()
