"""A counter, a note and a slider: state that lives in the session, and a wire that can be cut."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import panel as pn

# `/reconnect?mode=prompt` tries another setting
MODES = {b"off": False, b"prompt": "prompt", b"on": True}
mode = pn.state.session_args.get("mode", [b"on"])[0]
pn.extension(notifications=True, reconnect=MODES[mode])

penguins = pd.read_csv(Path(__file__).parents[2] / "data" / "penguins.csv").dropna()

began = pn.widgets.StaticText(name="This session began at", value=f"{datetime.now():%H:%M:%S.%f}"[:-4])
mass = pn.widgets.IntSlider(name="Body mass at least (g)", start=2700, end=6300, step=100, value=4000)
note = pn.widgets.TextInput(name="Note")
seen = pn.widgets.IntInput(name="Seen", value=0, disabled=True)
add = pn.widgets.Button(name="Count one", on_click=lambda event: seen.param.update(value=seen.value + 1))


def heavy(grams):
    return f"**{(penguins.body_mass_g >= grams).sum()} of {len(penguins)} penguins**"


pn.Column(began, mass, pn.bind(heavy, mass), note, pn.Row(add, seen)).servable()
