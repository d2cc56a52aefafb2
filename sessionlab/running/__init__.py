"""A server that runs already, started by others: its snapshots, what lies between two of them, and what it keeps.

    sessionlab watch http://127.0.0.1:5006
    sessionlab snapshot http://127.0.0.1:5006 -o before.snapshot
    sessionlab diff before.snapshot after.snapshot

The server has to have the agent: ``panel serve app.py --plugins sessionlab.agent``.
"""

from sessionlab.running.snapshot import Snapshot, take
from sessionlab.running.watching import Watched, watch

__all__ = ["Snapshot", "Watched", "take", "watch"]
