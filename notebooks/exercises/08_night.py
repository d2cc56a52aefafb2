# panel serve 08_night.py --session-token-expiration 86400
"""A note pad. Each note is filed when its session ends. Nobody has marked what is wrong with it.

Whoever is away for nine minutes finds her note on the page. The machine bears twenty sessions: who comes when there are
as many is told so, and nobody who is there is sent away. At night the server is asked to end (SIGTERM): then every note
is filed.
"""

import os

import panel as pn

pn.extension(reconnect=True)

note = pn.widgets.TextInput(name="Note")


def file(context):
    if note.value:
        with open(os.environ.get("NOTES", "notes.txt"), "a") as notes:
            notes.write(note.value + "\n")


pn.state.on_session_destroyed(file)
note.servable()
