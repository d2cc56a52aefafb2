"""Put a running application beside the text."""

from __future__ import annotations

import atexit
import html
import weakref
from urllib.parse import urlsplit

from sessionlab.course.catalogue import APPS
from sessionlab.course.jupyter import base_url
from sessionlab.errors import AppNotFound
from sessionlab.server import Server, serve

_started: dict = {}  # servers that stand in for the launcher outside Jupyter, by name of the application
_twins: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # server -> the one that is shown instead


class Shown:
    """An application in the notebook: a frame under Jupyter, a link elsewhere."""

    def __init__(self, title: str, address: str, height: int, framed: bool):
        self.title, self.address, self.height, self._framed = title, address, height, framed

    def __repr__(self) -> str:
        return f"{self.title}: {self.address}"

    def _repr_html_(self) -> str:
        title, address = html.escape(self.title), html.escape(self.address)
        link = f'<a href="{address}" target="_blank" rel="noopener">{title} in a tab of its own</a>'
        if not self._framed:
            return link
        frame = f'<iframe src="{address}" title="{title}" width="100%" height="{self.height}" '
        return frame + f'style="border:1px solid currentColor"></iframe><br>{link}'


def show(what, height: int = 320) -> Shown:
    """Embed a running application.

    Parameters
    ----------
    what : the name of an application in the catalogue, which the Jupyter server runs; or a `Server` or an
        `Outage`, which this kernel runs.
    height : of the frame, in pixels.

    Of a `Server`, a twin is framed: a chapter counts the sessions of its server and waits until they are gone, and
    the reader who has the app before her is not one of them. An `Outage` is framed as it is; its buttons are for her.

    Under Jupyter the application appears in the cell, through jupyter-server-proxy and under whatever base URL
    there is. Elsewhere the cell shows its address.
    """
    base = base_url()
    if isinstance(what, str):
        if what not in APPS:
            raise AppNotFound(f"The course has no application {what!r}.", advice=f"choose from {', '.join(APPS)}.")
        app = APPS[what]
        if base:
            return Shown(app.title, f"{base}{app.proxy}/{app.name}", height, framed=True)
        return Shown(app.title, _stand_in(app).url, height, framed=False)
    if base and isinstance(what, Server):
        what = _twin(what)
    parts = urlsplit(what.url)
    title = parts.path.strip("/")
    if base:
        return Shown(title, f"{base}proxy/{parts.port}{parts.path}", height, framed=True)
    return Shown(title, what.url, height, framed=False)


def _stand_in(app):
    """A server of this process's own for ``app``, started once."""
    if app.name not in _started or not _started[app.name].alive:
        _started[app.name] = serve(app.path, panel_args=app.flags)
        atexit.register(_started[app.name].stop)
    return _started[app.name]


def _twin(server: Server) -> Server:
    if server not in _twins or not _twins[server].alive:
        _twins[server] = server.twin()
        atexit.register(_twins[server].stop)
    return _twins[server]
