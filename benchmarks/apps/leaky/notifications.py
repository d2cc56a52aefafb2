# holder: panel\.io\.state\.state\._views
# objects: 1
"""notifications=True without a template: Panel keeps a view of every session."""

import panel as pn

pn.extension(notifications=True)
pn.Column("Notifications").servable()
