"""The session monitor, over the application of chapter 02."""

from pathlib import Path

import panel as pn

from sessionlab import serve
from sessionlab.monitor.page import serve_page
from sessionlab.monitor.watch import Watch, Watched


def begin():
    """Once for all tabs: the server, which ends with this process, and who watches it."""
    server = serve(Path(__file__).with_name("reconnect.py"), lifetime=30, check=5)
    return server, Watch(Watched.of(server))


server, watch = pn.state.as_cached("monitor", begin)
serve_page(watch)
