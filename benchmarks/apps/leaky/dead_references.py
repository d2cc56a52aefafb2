# holder: _kept\.REFERENCES
# objects: 1
"""A list of weak references: the pages go, the references stay."""

import weakref

import _kept
import panel as pn

page = pn.Column("page")
_kept.REFERENCES.append(weakref.ref(page))
page.servable()
