"""``/metrics`` and ``/readyz``: what a server knows of its sessions, for Prometheus and for those who route visitors.

    panel serve app.py --plugins sessionlab.harden.metrics

or, with ``pn.serve``: ``pn.serve(app, extra_patterns=sessionlab.harden.metrics.ROUTES)``. Importing this module is
what switches the counting on; it costs a few microseconds per session.

``/readyz`` answers 200 while the server takes visitors, 503 while it drains (`sessionlab.harden.drain`). A server that
is full stays ready: routed away from, it would lose those who reconnect to it.

``/metrics`` needs prometheus_client (``pip install prometheus-client``) and says so where it is missing. It tells of
this process: with ``--num-procs`` each scrape meets another one, so run one process per port and scrape each. Both
are open to everybody who reaches the port; let the proxy keep ``/metrics`` to yourself.

Adds what Panel 1.9 and Bokeh 3.8 to 3.10 lack: ``--liveness`` says only that the event loop turns, ``/admin`` and
``/rest/session_info`` keep a record that grows. To be dropped when Panel has an endpoint for metrics.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import logging
import time
import weakref
from collections import Counter
from collections.abc import Iterator

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.views.ws import WSHandler
from panel.config import config
from tornado.web import RequestHandler

from . import admission, fastapi, limits, persisting
from .draining import is_draining
from .served import applications, has_connected, watch, wrap

try:
    import prometheus_client as prometheus
    from prometheus_client import core
except ImportError:
    prometheus = None  # type: ignore[assignment]


class Histogram:
    """How many values fell up to each of some bounds, in the form that Prometheus reads."""

    def __init__(self, *bounds: float):
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def total(self) -> int:
        return sum(self.counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds, each with the number of values that do not exceed it."""
        bounds = [*map(str, self.bounds), "+Inf"]
        return list(zip(bounds, itertools.accumulate(self.counts), strict=True))


build_seconds = Histogram(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
age_seconds = Histogram(1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
reconnects: Counter[str] = Counter(resumed=0, restarted=0)
token_refusals: Counter[str] = Counter(expired=0, signature=0, other=0)
_born: weakref.WeakKeyDictionary[ServerSession, float] = weakref.WeakKeyDictionary()


class _HookFailures(logging.Handler):
    """Counts what the log says of failed destroy hooks: Panel, Bokeh and harden tell nobody else."""

    LOGGERS = (
        "panel.io.application",
        "bokeh.application.handlers.document_lifecycle",
        "bokeh.server.contexts",
        "sessionlab.harden",
    )

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        for name in self.LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.msg)
        self.count += "on_session_destroyed" in text or "session destroy hooks" in text


def _count() -> None:
    """Listen to what happens to sessions, once in a process."""
    watch()

    def create(original):
        async def create_session_if_needed(self, session_id, request=None, token=None):
            if session_id in self._sessions or session_id in self._pending_sessions:
                return await original(self, session_id, request, token)
            started = time.perf_counter()
            session = await original(self, session_id, request, token)
            build_seconds.add(time.perf_counter() - started)
            _born[session] = time.monotonic()
            by_websocket = request is not None and request.headers.get("Upgrade", "").lower() == "websocket"
            # With --reuse-sessions no page makes a session, every websocket does.
            reconnects["restarted"] += by_websocket and not config.reuse_sessions
            return session

        return create_session_if_needed

    def destroy(original):
        def destroy(self):
            if (born := _born.pop(self, None)) is not None:
                age_seconds.add(time.monotonic() - born)
            original(self)

        return destroy

    def subscribe(original):
        def subscribe(self, connection):
            reconnects["resumed"] += has_connected(self)
            original(self, connection)

        return subscribe

    def opened(original):
        def open(self, *args, **kwargs):
            try:
                return original(self, *args, **kwargs)
            except ProtocolError as error:
                reasons = [reason for reason in ("expired", "signature") if reason in str(error)]
                token_refusals[reasons[0] if reasons else "other"] += 1
                raise

        return open

    wrap(ApplicationContext, "create_session_if_needed", create)
    wrap(ServerSession, "destroy", destroy)
    wrap(ServerSession, "subscribe", subscribe)
    wrap(WSHandler, "open", opened)


class Sessions:
    """What Prometheus is told about this process."""

    STATES = (
        ("live", "Sessions that exist.", lambda session: True),
        ("connected", "Sessions with a websocket.", lambda session: session.connection_count > 0),
        ("disconnected", "Sessions without a websocket.", lambda session: session.connection_count == 0),
        ("blocked", "Sessions that cannot expire now.", lambda session: session.expiration_blocked),
    )

    def collect(self) -> Iterator:
        for state, text, belongs in self.STATES:
            gauge = core.GaugeMetricFamily(f"sessionlab_sessions_{state}", text, labels=["app"])
            for context in applications():
                gauge.add_metric([context.url or ""], sum(map(belongs, context.sessions)))
            yield gauge
        for name, text, histogram in (
            ("build", "Seconds that it took to build a session.", build_seconds),
            ("age", "Seconds that a session lived, counted when it ended.", age_seconds),
        ):
            buckets = histogram.buckets()
            yield core.HistogramMetricFamily(f"sessionlab_session_{name}_seconds", text, buckets, histogram.sum)
        for name, text, label, counts in (
            ("reconnects", "Websockets that found their session again (resumed), or built it anew (restarted).",
             "outcome", reconnects | {"refused": token_refusals.total() + admission.refused_websockets.total()}),
            ("token_refusals", "Websockets refused for their token.", "reason", token_refusals),
            ("refused", "Visitors who were not let in.", "reason", admission.refused),
            ("state", "What persist did: restored sessions, written values, errors of its store, rejected values.",
             "what", persisting.counts),
            ("evicted", "Sessions ended before their lifetime by a limit.", "limit", limits.evicted),
        ):  # fmt: skip
            counter = core.CounterMetricFamily(f"sessionlab_{name}", text, labels=[label])
            for value, count in counts.items():
                counter.add_metric([value], count)
            yield counter
        for name, text, total in (
            ("sessions_created", "Sessions built.", build_seconds.total),
            ("sessions_destroyed", "Sessions ended.", age_seconds.total),
            ("hook_failures", "Destroy hooks that raised.", _hook_failures.count),
        ):
            yield core.CounterMetricFamily(f"sessionlab_{name}", text, total)
        yield core.GaugeMetricFamily("sessionlab_draining", "1 while the server drains, else 0.", int(is_draining()))


@functools.cache
def _registry():
    """The application's own registry of metrics, with those of its sessions and of the process (memory, CPU) in it."""
    prometheus.REGISTRY.register(Sessions())
    return prometheus.REGISTRY


class MetricsHandler(RequestHandler):
    """``/metrics``, in the text format of Prometheus."""

    def get(self) -> None:
        if prometheus is None:
            self.set_status(501)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish("/metrics needs prometheus_client: pip install prometheus-client\n")
        else:
            self.set_header("Content-Type", prometheus.CONTENT_TYPE_LATEST)
            self.finish(prometheus.generate_latest(_registry()))


class ReadyHandler(RequestHandler):
    """``/readyz``: whether visitors should be sent here."""

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_status(503 if is_draining() else 200)
        self.finish({"ready": not is_draining()})

    head = get


ROUTES = [(r"/metrics", MetricsHandler), (r"/readyz", ReadyHandler)]
fastapi.refuse("metrics")
_hook_failures = _HookFailures()
_count()
