"""The casebook: choose a case, send visitors to its two apps, and see what they leave behind."""

from pathlib import Path

import pandas as pd
import panel as pn

from sessionlab.course.measure import left_behind

pn.extension()

FOLDER = Path(__file__).parent / "casebook"
NAMES = sorted(path.stem.removesuffix("_leaky") for path in FOLDER.glob("*_leaky.py"))

case = pn.widgets.Select(name="Case", options=[name for name in NAMES if name != "block"])
send = pn.widgets.Button(name="Send visitors to both", button_type="primary")
found = pn.Column("Each app gets five visitors, after a warm-up of two.")


def both(name):
    return [FOLDER / f"{name}_{kind}.py" for kind in ("leaky", "fixed")]


def sources(name):
    code = [pn.pane.Markdown(f"```python\n{path.read_text()}\n```", sizing_mode="stretch_width") for path in both(name)]
    return pn.Row(*code, sizing_mode="stretch_width")


async def measure(event):
    found[:] = ["Visitors come and go …"]
    with send.param.update(disabled=True):
        left = await left_behind(both(case.value))
    rows = {
        name: {**each.counts, "objects": round(each.objects), "KB": round(each.bytes / 1000), **dict(each.types)}
        for name, each in left.items()
    }
    table = pd.DataFrame(rows).fillna(0).astype(int)
    found[:] = ["What each session left, by kind:", pn.pane.DataFrame(table.head(15))]


send.on_click(measure)
pn.Column(
    "## The leak casebook", pn.Row(case, send), found, pn.bind(sources, case), sizing_mode="stretch_width"
).servable()
