# holder: _kept\.SEEN
# objects: 1
"""A partial with the session's widget as its argument, kept when a slider moves."""

import functools

import _kept
import panel as pn


def update(slider, event=None):
    return slider.value


slider = pn.widgets.IntSlider(name="n", end=10)
slider.param.watch(
    lambda event, keep=_kept.SEEN, partial=functools.partial(update, slider): keep.append(partial), "value"
)
pn.Column(slider).servable()
