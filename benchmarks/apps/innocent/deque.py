"""A deque with a maxlen."""

import _shared
import panel as pn

button = pn.widgets.Button(name="Log")
button.on_click(lambda event, history=_shared.HISTORY: history.append({"clicks": event.new}))
pn.Column(button).servable()
