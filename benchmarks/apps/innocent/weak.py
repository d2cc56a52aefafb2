"""A set of live pages that holds them weakly."""

import _shared
import panel as pn

page = pn.Column("weak")
_shared.LIVE.add(page)
page.servable()
