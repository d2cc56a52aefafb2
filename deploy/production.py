"""What a server needs in production, in one plugin: panel serve app.py --plugins production

`panel serve` imports it once, before it forks the processes of --num-procs.
"""

import logging
import os

from sessionlab.harden import SessionLimits, drain
from sessionlab.harden.metrics import ROUTES

__all__ = ["ROUTES"]  # /metrics and /readyz

logging.getLogger("sessionlab.harden").setLevel(logging.INFO)

if os.environ.get("SESSIONLAB_TOKEN"):  # whoever has it may look at this server: `sessionlab watch`
    import sessionlab.agent

    sessionlab.agent.install()

# Measure what a session of your application takes before you choose: `sessionlab load app.py`. As many may wait for
# their users as are served: a proxy that restarts cuts everybody off at once, and all of them come back.
live = int(os.environ.get("SESSIONS_LIVE", "300"))
SessionLimits(
    live=live,
    retained=live,
    per_user=5,
    memory=os.environ.get("SESSIONS_MEMORY", "1.5 GiB"),  # a quarter below the container's limit
).install()

# A few seconds less than the 30 that Kubernetes and compose.yaml give a container to end.
drain(grace=25, notice=3)
