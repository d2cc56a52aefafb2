# holder: watchers
# by: event
"""Every click watches the slider once more."""

import panel as pn

speed = pn.widgets.IntSlider(name="Speed", end=10)
shown = pn.pane.Markdown("")


def again(event):
    speed.param.watch(lambda change: shown.param.update(object=str(change.new)), "value")


pn.Column(pn.widgets.Button(name="Again", on_click=again), speed, shown).servable()
