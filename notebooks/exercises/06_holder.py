# panel serve 06_holder.py
"""Four containers that all sessions share, and one of them is a leak. Which?

Serve the app, visit it a few times, and ask `server.probe.containers()`, or hunt: `sessionlab hunt 06_holder.py`.
"""

import weakref
from collections import deque

import panel as pn

pn.extension()

HOLDER = "?"  # your turn: "recent", "names", "present" or "visited"


class Guest:
    def __init__(self, name):
        self.name = name
        self.table = list(range(10_000))


book = pn.state.cache.setdefault(
    "book", {"recent": deque(maxlen=3), "names": set(), "present": weakref.WeakSet(), "visited": []}
)
guest = Guest("somebody")
book["recent"].append(guest)
book["names"].add(guest.name)
book["present"].add(guest)
pn.state.on_session_destroyed(lambda session_context, visited=book["visited"], guest=guest: visited.append(guest))

pn.pane.Markdown("Welcome.").servable()
