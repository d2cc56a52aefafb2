"""A visitors' book: a session holds a connection to a real database, and writes its notes there when it ends.

`?way=` says who sees to that: nobody, a stock hook that reads globals, one that captures them, a hardened one.
"""

import os
import sqlite3
import tempfile

import panel as pn

from sessionlab.harden import on_session_destroyed, session_locals

pn.extension()

way = pn.state.session_args.get("way", [b"hardened"])[0].decode()
folder = os.environ.get("DATABASES") or pn.state.as_cached("folder", tempfile.TemporaryDirectory).name
pool = pn.state.as_cached("pool", set)  # outlives the sessions; what nobody gives back stays open


class Notes(list):
    """What the visitor of one session has written."""


own = session_locals()
own.notes = Notes()
own.db = sqlite3.connect(f"{folder}/{way}.db")
pool.add(own.db)
own.db.execute("create table if not exists notes (note text)")
written = own.db.execute("select count(*) from notes").fetchone()[0]


def leave(own, pool):
    """The last thing that a session does: its notes are written, its connection is closed."""
    with own.db:
        own.db.executemany("insert into notes values (?)", own.notes)
    own.db.close()
    pool.discard(own.db)


def reads_globals(context):
    leave(own, pool)


def captures(context, leave=leave, own=own, pool=pool):
    leave(own, pool)


if way == "globals":
    pn.state.on_session_destroyed(reads_globals)
elif way == "captured":
    pn.state.on_session_destroyed(captures)
elif way == "hardened":
    on_session_destroyed(reads_globals)

text = pn.widgets.TextInput(name="Note", value="I was here")
count = pn.widgets.IntInput(name="Notes of this session", value=0, disabled=True)


def note(event):
    own.notes.append((text.value,))
    count.value = len(own.notes)


pn.Column(
    f"{written} notes in the book. Yours come into it when your session ends.",
    text,
    pn.Row(pn.widgets.Button(name="Write", on_click=note), count),
).servable()
