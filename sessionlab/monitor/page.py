"""One page of the monitor: the charts, the texts and the buttons of one browser tab, over a `Watch`.

The models are made once; `Page.update` changes them in place, twice a second, in the tab's own session. Colours and
the light and dark theme are the browser's business (``page.css``, ``page.js``).
"""

from __future__ import annotations

import functools
import time
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import panel as pn

from sessionlab.monitor import texts
from sessionlab.monitor.charts import Charts
from sessionlab.monitor.visitors import MOST
from sessionlab.monitor.watch import EVERY, Watch

HERE = Path(__file__).parent
WINDOWS = {"1 min": 60, "5 min": 300, "15 min": 900}


@functools.cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


class Page:
    """The page of one tab. ``template`` is what to serve; `start` keeps it up to date until its session ends."""

    def __init__(self, watch: Watch):
        self.watch, self.charts = watch, Charts()
        self._style = {"stylesheets": [_file("inside.css")], "margin": 0}
        self._status, self._numbers, self._events = self._text(), self._text(), self._text()
        self._session, self._notice, self._visitors = self._text(), self._text(), self._text()
        self._many = pn.widgets.IntInput(name="How many", value=20, start=1, end=MOST, width=146, **self._style)
        self._label = pn.widgets.TextInput(name="Number", width=150, **self._style)
        self._window = pn.widgets.RadioButtonGroup(options=WINDOWS, value=60, **self._style)
        self._open = self._button("Open visitors", lambda: watch.open_visitors(self._many.value or 0))
        self._leave = self._button("Send away", watch.send_visitors_away)
        self._cut = self._button("Cut", watch.cut, "warn")
        self._restore = self._button("Restore", watch.restore)
        self._collect = self._button("Collect garbage", watch.collect)
        self._end = self._button("End session", lambda: watch.end((self._label.value_input or "").strip()), "warn")
        self.charts.on_tap(lambda label: self._label.param.update(value=label, value_input=label))
        self.template = pn.Template(_file("page.html"))
        self.template.add_variable("app_title", "Session monitor")
        for name, value in {"style": _file("page.css"), "script": _file("page.js"), "links": self._links()}.items():
            self.template.add_variable("monitor_" + name, value)
        self.template.add_variable("monitor_marks", texts.marks())
        for name, part in self._parts().items():
            self.template.add_panel(name, part)
        self.update(time.time())

    def _text(self):
        return pn.pane.HTML("", sizing_mode="stretch_width", **self._style)

    def _button(self, name: str, action, kind: str = ""):
        # An order is shown at the next tick: Panel runs this without the document's lock.
        return pn.widgets.Button(
            name=name, on_click=lambda _: action(), css_classes=[kind] if kind else [], **self._style
        )

    def _parts(self) -> dict:
        parts = {name: getattr(self, "_" + name) for name in ("status", "numbers", "events", "session", "notice")}
        widgets = ("visitors", "many", "label", "window", "open", "leave", "cut", "restore", "collect", "end")
        parts |= {name: getattr(self, "_" + name) for name in widgets}
        for name in ("bars", "counts", "memory"):
            parts[name] = pn.pane.Bokeh(getattr(self.charts, name), sizing_mode="stretch_width", margin=0)
        return parts

    def _links(self) -> str:
        """The addresses of the applications, through the wire, as this tab's browser can reach them."""
        links, base = [], proxy_base(str(pn.state.headers.get("X-Forwarded-Context", "")))
        for route, url in self.watch.outage.urls.items():
            address = url
            if base:
                parts = urlsplit(url)
                address = f"{base}proxy/{parts.port}{parts.path}"
            links.append(f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(route)}</a>')
        return " ".join(links)

    def start(self) -> None:
        doc = pn.state.curdoc
        assert doc is not None, "a page belongs to a session"
        doc.add_periodic_callback(self._tick, int(EVERY * 1000))

    def _tick(self) -> None:
        with pn.io.hold():  # one message to the browser, and one redraw
            self.update(time.time())

    def update(self, now: float) -> None:
        """Show what the watch has seen by ``now`` (seconds since 1970)."""
        watch, view, label = self.watch, self.watch.view, (self._label.value_input or "").strip()
        self.charts.update(view, now, self._window.value, label)
        visitors, wire = watch.visitors.present, watch.outage.state
        self._status.object = texts.status(view, now)
        self._numbers.object = texts.numbers(view, now, self.charts.hidden)
        self._events.object = texts.events(view)
        self._session.object = texts.session(view, label)
        self._notice.object = escape(watch.notice)
        self._visitors.object = f"visitors: {escape(str(visitors))}"
        self._leave.disabled = not visitors.all
        self._cut.disabled = wire == "refusing"
        self._restore.disabled = wire == "up"
        self._end.disabled = label not in view.sessions


def proxy_base(context: str) -> str:
    """Jupyter's base URL, from the path under which jupyter-server-proxy serves this page; empty without a proxy.

    The path is that of a launcher tile, ``/base/NAME``, or of a port, ``/base/proxy/PORT``.
    """
    parent, _, name = context.rstrip("/").rpartition("/")
    if name.isdigit():
        parent = parent.removesuffix("/proxy")
    return parent + "/" if name else ""


def serve_page(watch: Watch) -> None:
    """Make the running session a page of ``watch``."""
    pn.extension(reconnect=True)
    page = Page(watch)
    page.template.servable()
    page.start()
