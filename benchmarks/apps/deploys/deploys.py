"""What the deploys visit: a form that is edited all the time. KEEP says who keeps what was entered, if anybody does."""

import os
import secrets

import panel as pn

from sessionlab.harden import persist, reconnect, recover_inputs

KEEP = os.environ["KEEP"]

pn.extension(reconnect=KEEP == "stock")

note = pn.widgets.TextInput(label="note")
number = pn.widgets.IntInput(label="number")
born = pn.widgets.TextInput(label="born", value=f"{os.getpid()}-{secrets.token_hex(8)}", disabled=True)
taken = pn.widgets.TextInput(label="taken", value=note, disabled=True)  # what the server has seen of the note

if KEEP != "stock":
    reconnect()
if KEEP == "recover_inputs":
    recover_inputs(note, number)
if KEEP == "persist":
    persist(note, number)

pn.Column(note, number, born, taken).servable()
