# holder: _kept\.BLOBS
# bytes: 10240
"""Ten kilobytes a session, put away when a button is clicked."""

import _kept
import panel as pn

button = pn.widgets.Button(name="Load")
button.on_click(lambda event, blobs=_kept.BLOBS: blobs.append(bytes(10_200)))
pn.Column(button).servable()
