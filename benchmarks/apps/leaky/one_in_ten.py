# holder: _kept\.SEEN
# objects: 0.1
"""One visit in ten leaves its page behind."""

import _kept
import panel as pn

_kept.HUB.tick += 1
page = pn.Column("One in ten")
if _kept.HUB.tick % 10 == 0:
    _kept.SEEN.append(page)
page.servable()
