# panel serve 02_blip.py
"""A counter for somebody who sits on a train: the wire goes for 20 seconds, and comes back.

The line that begins with `# panel serve` says how this app is started; the check reads it. You may add flags.
"""

import panel as pn

pn.extension()  # your turn: here, and in the first line

count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))

pn.Column(add, count).servable()
