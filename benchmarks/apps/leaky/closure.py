# holder: _kept\.SEEN
# bytes: 52624
"""A closure over the whole page, in a list of callbacks."""

import _kept
import panel as pn

page = pn.Column(pn.widgets.IntSlider(name="n", end=10), pn.widgets.Select(options=["a", "b"]))


def remember(page):
    def callback():
        return page

    _kept.SEEN.append(callback)


remember(page)
page.servable()
