"""Chapter 05."""

from ..attempts import EMPTY, Wrong

HARDENED = "from sessionlab.harden import on_session_destroyed"
LEAVE = """def leave(session_context, database=database):
    database.execute("delete from present where session = ?", [session_context.id])
    database.close()

"""

STUBS = {
    "05-thread": (
        "Threads run on after",
        "1 for each of 3 users who came and went; the log says: name 'stop' is not defined",
    ),
    "05-room": ("still in the room", "has 2 rows; the log says: name 'database' is not defined"),
}

WRONG = {
    "05-thread": [
        EMPTY,
        Wrong(
            "a coroutine",
            ("async def leave(session_context, stop=stop):\n    stop.set()\n\n",),
            "Threads run on after",
            "never awaited",
        ),
        Wrong(
            "asks for globals",
            ("def leave(session_context):\n    global stop\n    stop.set()\n\n",),
            "Threads run on after",
        ),
        Wrong(
            "no thread at all",
            ("def leave(session_context):\n    pass\n\n\nstop.set()\n",),
            "The readings do not come",
            "Readings are 0, 0, 0",
        ),
    ],
    "05-room": [
        Wrong(
            "an empty app",
            "import panel as pn\n\npn.Column().servable()\n",
            "The database does not know who is in the room",
            "has 0 rows",
        ),
        Wrong(
            "Panel's hook",
            ("", LEAVE + "\npn.state.on_session_destroyed(leave)"),
            "When the server is stopped, its users stay in the room",
            "after SIGTERM the database has 1 rows",
        ),
        Wrong(
            "only when Python exits",
            (
                "import atexit",
                LEAVE.replace("(session_context, ", "(").replace("session_context.id", "me")
                + "\natexit.register(leave)",
            ),
            "still in the room",
        ),
        Wrong(
            "session_context.locals",
            (
                HARDENED,
                "def leave(context):\n    context.locals['database'].close()\n\n\non_session_destroyed(leave)",
            ),
            "still in the room",
            "locals",
        ),
    ],
}
