# panel serve 09_letter.py
"""A letter that takes an afternoon. In the middle of it the server is started anew, and the page gets a new session.

The letter has to be there again, however long it is. A new tab begins with an empty one: its writer may be another.
"""

import panel as pn

# >>> solution
from sessionlab.harden import persist

# >>> stub
# # your turn
# <<<
pn.extension(reconnect=True)

letter = pn.widgets.TextAreaInput(name="Letter", max_length=20_000)
# >>> solution
persist(letter)
# >>> stub
# # your turn: where is it kept?
# <<<

pn.Column(letter).servable()
