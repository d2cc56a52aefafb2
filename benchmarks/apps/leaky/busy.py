# holder: panel\.io\.state\.state\.param\.watchers
# bytes: 87924
"""Something bound to pn.state.param.busy, which all sessions share."""

import panel as pn

pn.Column(pn.bind(lambda busy: f"busy: {busy}", pn.state.param.busy)).servable()
