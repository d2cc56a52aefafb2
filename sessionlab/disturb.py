"""Break the wire between a browser and a server, on purpose.

    with serve("app.py") as server, Outage(server) as outage:
        print(outage.url)           # open this address instead of server.url
        outage.refuse(seconds=10)   # the server's machine is off for ten seconds

`Outage` is a TCP proxy on a loopback port of its own. Its event loop runs in a thread of its own, so that a busy
notebook cell does not stall it; every method may be called from any thread and returns when it has taken effect.

A page that is opened through the proxy needs no allowed origin: the browser's ``Origin`` and ``Host`` headers both
name the proxy's port, and Tornado 6.6 lets such same-origin websockets pass before Bokeh's list of origins is asked.
Older Tornado asks Bokeh's list: there, start the server with ``--allow-websocket-origin 127.0.0.1:*``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Coroutine
from urllib.parse import urlsplit

from sessionlab.errors import InvalidOption, OutageClosed
from sessionlab.wire import HOST, Action, Proxy


class Outage:
    """A TCP proxy in front of a server whose wire can be cut, refused, stalled and slowed.

    Parameters
    ----------
    server : a `sessionlab.server.Server`, or the address of a page such as ``"http://127.0.0.1:5006/app"``.

    Attributes
    ----------
    url : address of the application's page through the proxy; ``urls`` maps every route to its address.
    port, origin : of the proxy.

    ``refuse``, ``stall``, ``slow`` and ``restore`` each put the wire into one state and end the one before.
    It is closed by its ``with`` block, by `close`, by the garbage collector, or by the end of the interpreter.

    Raises
    ------
    InvalidOption for an address, a duration or a way to cut that makes no sense; OutageClosed after `close`.
    """

    def __init__(self, server):
        address = server if isinstance(server, str) else server.url
        routes = {} if isinstance(server, str) else server.urls
        upstream = _upstream(address)
        self._proxy = Proxy(*upstream)
        self._thread = threading.Thread(target=self._proxy.run, name="sessionlab outage", daemon=True)
        self._thread.start()
        self.close = weakref.finalize(self, _end, self._proxy, self._thread)
        self.port = self._proxy.port
        self.origin = f"http://{HOST}:{self.port}"
        self.urls = {route: self._through(url) for route, url in (routes or {urlsplit(address).path: address}).items()}
        self.url = self._through(address)

    def _through(self, url: str) -> str:
        parts = urlsplit(url)
        return self.origin + parts.path + (f"?{parts.query}" if parts.query else "")

    # -- disturb ------------------------------------------------------------------------------------------

    def cut(self, how: str = "fin") -> None:
        """Close every open connection now, on both sides; the state stays, so new ones are accepted at once.

        ``how="fin"`` ends them as a program does that stops; ``"rst"`` as a machine does that has lost track of them.
        """
        if how not in ("fin", "rst"):
            raise InvalidOption(f"cut(how={how!r}) is not known.", advice='use "fin" or "rst".')
        self._do(self._proxy.cut(how))

    def refuse(self, seconds: float | None = None) -> None:
        """Close every connection and the port itself: new ones are refused, for ``seconds`` or until `restore`.

        The call does not wait for the end of the outage. The port stays reserved.
        """
        if seconds is not None:
            _check_seconds("refuse", "seconds", seconds)
        self._do(self._proxy.act("refuse" + (f" {seconds:g} s" if seconds else ""), "refusing", seconds=seconds))

    def stall(self) -> None:
        """Let no byte pass in either direction, and close nothing, until `restore` delivers what was held.

        This is what a half-open connection looks like: neither side is told. New connections are accepted by the
        operating system and then hear nothing; a side that hangs up is not noticed by the other.
        """
        self._do(self._proxy.act("stall", "stalled"))

    def slow(self, latency: float) -> None:
        """Deliver every byte ``latency`` seconds later, each way, in order. Opening a connection is not delayed."""
        _check_seconds("slow", "latency", latency)
        self._do(self._proxy.act(f"slow {latency:g} s", "slow", latency=latency))

    def restore(self) -> None:
        """End the disturbance: listen on the same port again, deliver what was held. A cut wire stays cut."""
        self._do(self._proxy.act("restore", "up"))

    # -- look ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``"up"``, ``"refusing"``, ``"stalled"``, ``"slow"``, or ``"closed"``."""
        return self._proxy.state

    @property
    def connections(self) -> int:
        """How many connections from clients are open at this moment."""
        return len(self._proxy.connections)

    @property
    def history(self) -> tuple[Action, ...]:
        """What was done so far, oldest first. The end of a timed refusal stands there as ``"restore"``."""
        return tuple(self._proxy.history)

    def buttons(self):
        """Cut, Refuse 10 s, Stall, Restore and the state of the wire, in an ipywidgets box for a notebook."""
        import ipywidgets

        label = ipywidgets.Label()

        def show(state: str) -> None:
            label.value = f"The wire is {state}."

        def button(name: str, action: Callable[[], None]):
            def clicked(_):
                with contextlib.suppress(OutageClosed):  # the label says so
                    action()

            made = ipywidgets.Button(description=name, layout=ipywidgets.Layout(width="auto"))
            made.on_click(clicked)
            return made

        show(self.state)
        self._proxy.watchers.append(show)
        refuse = functools.partial(self.refuse, 10)
        row = {"Cut": self.cut, "Refuse 10 s": refuse, "Stall": self.stall, "Restore": self.restore}
        return ipywidgets.HBox([*(button(name, action) for name, action in row.items()), label])

    # -- life ---------------------------------------------------------------------------------------------

    def _do(self, coroutine: Coroutine) -> None:
        """Run in the proxy's thread and wait, but not for a thread that ends meanwhile."""
        try:
            done = asyncio.run_coroutine_threadsafe(coroutine, self._proxy.loop)
        except RuntimeError:  # its loop is closed
            coroutine.close()
        else:
            while not done.done() and self._thread.is_alive():
                concurrent.futures.wait([done], timeout=0.5)
            if done.done():
                return done.result()
        raise OutageClosed(f"The outage on port {self.port} is closed.", advice="make a new Outage(server).")

    def __enter__(self) -> Outage:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Outage {self.url} {self.state}>"


def _upstream(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise InvalidOption(f"{address!r} is not an address.", why=str(error)) from None
    if parts.scheme != "http" or not host:
        raise InvalidOption(
            f"{address!r} is not an address that an Outage can stand in front of.",
            advice='give a Server, or an address such as "http://127.0.0.1:5006/app".',
        )
    return host, port


def _check_seconds(method: str, name: str, value: float) -> None:
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidOption(f"{method}({name}={value!r}) cannot be used.", advice="give seconds, as a number above 0.")


def _end(proxy: Proxy, thread: threading.Thread) -> None:
    """Close the proxy. It must not know the Outage, or the Outage would never be collected."""
    proxy.loop.call_soon_threadsafe(proxy.ended.set)
    if threading.current_thread() is not thread:  # the garbage collector runs wherever it likes
        thread.join(5)
