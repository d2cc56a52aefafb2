"""The application that is deployed here. Put yours in its place."""

import os

import panel as pn

from sessionlab.harden import on_session_destroyed, persist, reconnect

pn.extension(template="fast", notifications=True)
reconnect()  # soon, past the age of the page's token, and it says what was found

note = pn.widgets.TextInput(label="note")
count = pn.widgets.IntInput(label="count", value=0, disabled=True)
add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))
server = pn.widgets.StaticText(label="server", value=f"process {os.getpid()}")

persist(note, count)  # come back in the next session: after a restart, a deploy, on the other server
on_session_destroyed(lambda context: print(f"session {context.id} has ended", flush=True))

pn.Column(note, pn.Row(add, count), server).servable()
