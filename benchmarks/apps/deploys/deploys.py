"""What the deploys visit: a form that is edited all the time. KEEP says who keeps what was entered, if anybody does."""

import os
import secrets

import panel as pn

from sessionlab.harden import persist, reconnect, recover_inputs

KEEP = os.environ["KEEP"]

pn.extension(reconnect=KEEP == "stock")

note = pn.widgets.TextInput(label="note")
number = pn.widgets.IntInput(label="number")
session = f"{os.getpid()}-{secrets.token_hex(8)}"
seen = pn.widgets.TextInput(label="seen", value=pn.bind(f"{session} {{}}".format, note))  # whose, and what it has taken

if KEEP != "stock":
    reconnect()
if KEEP == "recover_inputs":
    recover_inputs(note, number)
if KEEP == "persist":
    persist(note, number)

pn.Column(note, number, seen).servable()
