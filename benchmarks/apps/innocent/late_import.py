"""Imports a module only when the server is three seconds old."""

import _shared
import panel as pn

_shared.late()
pn.Column("late").servable()
