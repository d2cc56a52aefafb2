"""The application that is deployed here. Put yours in its place."""

import os

import panel as pn

from sessionlab.harden import on_session_destroyed, reconnect, recover_inputs

pn.extension(template="fast", notifications=True)
reconnect()  # soon, past the age of the page's token, and it says what was found

note = pn.widgets.TextInput(label="note")
count = pn.widgets.IntInput(label="count", value=0, disabled=True)
add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))
server = pn.widgets.StaticText(label="server", value=f"process {os.getpid()}")

recover_inputs(note)  # comes back after a restart; the count lives in the session and is lost with it
on_session_destroyed(lambda context: print(f"session {context.id} has ended", flush=True))

pn.Column(note, pn.Row(add, count), server).servable()
