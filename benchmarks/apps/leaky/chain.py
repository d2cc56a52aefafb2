# holder: _kept\.FIRST
# objects: 1
"""A linked list: no container grows, but the chain does."""

import _kept
import panel as pn

_kept.link()
pn.Column("A chain").servable()
