# panel serve 05_room.py
"""Who is in the room: each session has a row in a database, and an open connection to it.

The row has to go when the session ends, and also when the server is stopped (SIGTERM) while people are in.
"""

import os
import sqlite3
import tempfile

import panel as pn

# >>> solution
from sessionlab.harden import on_session_destroyed

# >>> stub
# <<<
pn.extension()

ROOM = os.environ.get("ROOM") or os.path.join(tempfile.gettempdir(), "room.db")
me = pn.state.curdoc.session_context.id
database = sqlite3.connect(ROOM, isolation_level=None)
database.execute("create table if not exists present (session text primary key)")
database.execute("insert or replace into present values (?)", [me])
(people,) = database.execute("select count(*) from present").fetchone()


# >>> solution
def leave(session_context, database):
    database.execute("delete from present where session = ?", [session_context.id])
    database.close()


on_session_destroyed(leave, database)
# >>> stub
# def leave(session_context):
#     database.execute("delete from present where session = ?", [me])
#     database.close()
#
#
# pn.state.on_session_destroyed(leave)  # your turn: it fails when a user leaves, and is not asked when the server stops
# <<<
pn.widgets.IntInput(name="In the room", value=people, disabled=True).servable()
