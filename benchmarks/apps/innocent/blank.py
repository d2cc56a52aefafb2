"""As little as there can be."""

import panel as pn

pn.Column("Hello").servable()
