"""A live page beside a server: its sessions as they come and go, and buttons that disturb them.

    with serve("app.py") as server, Monitor(server) as monitor:
        print(monitor.url)       # the page
        print(monitor.app_url)   # the application, through the wire that the page can cut

The page is an application in a process of its own, which asks the server's probe twice a second. That process also
owns the wire and the visitors that the page sends: the server that is watched knows nothing of any of them.
"""

from __future__ import annotations

from pathlib import Path

from sessionlab.errors import ServerGone
from sessionlab.monitor.watch import Watched
from sessionlab.server import serve

PAGE = Path(__file__).with_name("session_monitor.py")


class Monitor:
    """The live monitor of ``server`` (a `sessionlab.server.Server`). Ends with its ``with`` block or with `stop`.

    Attributes
    ----------
    url : the monitor's page.
    app_url : the application's page through the wire that the monitor can cut; ``app_urls`` maps every route.
    server : the `Server` of the page itself.

    The monitor outlives the server that it watches: it says that the server is gone, and goes on when it is
    restarted. Raises ServerGone if it has ended already, and what `serve` raises.
    """

    def __init__(self, server):
        if not server.alive:
            raise ServerGone("The server that should be watched has ended already.", advice="start it again.")
        self.server = serve(
            PAGE, lifetime=60, token_expiration=30 * 86400, env={"SESSIONLAB_WATCHED": Watched.of(server).to_json()}
        )
        self.url = self.server.url
        told = self.server.log.events("watching")[0]
        self.app_url, self.app_urls = told["url"], told["urls"]

    def stop(self) -> None:
        """End the page, the wire and the visitors. May be called twice."""
        self.server.stop()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Monitor {self.url} {'running' if self.server.alive else 'ended'}>"
