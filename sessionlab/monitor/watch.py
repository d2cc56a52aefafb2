"""Watch one server: ask its probe twice a second, own the wire and the visitors that a page may play with.

There is one `Watch` in a monitor's process, and its pages read ``watch.view``. Whatever a page orders is done in
other threads and told in ``watch.notice``: a page never waits, and a page that is closed is held by nobody here.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from sessionlab.disturb import Outage
from sessionlab.errors import NoProbe, ProbeSilent, ServerGone, SessionLabError
from sessionlab.monitor.record import Record
from sessionlab.monitor.view import SILENT, View
from sessionlab.monitor.visitors import MOST, Visitors
from sessionlab.probe.client import Probe
from sessionlab.wire import HOST

EVERY = 0.5  # seconds between two rounds of questions
PATIENCE = 15.0  # seconds that one question may take; meanwhile no other is asked


@dataclass(frozen=True)
class Watched:
    """Which server to watch, as the monitor's process is told it."""

    url: str
    urls: dict[str, str]
    origin: str
    agent: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, server) -> Watched:
        return cls(server.url, dict(server.urls), server.origin, server.probe.origin, server.probe._token)

    @classmethod
    def from_json(cls, text: str) -> Watched:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Watch:
    """Watches until `close`, or until its process ends.

    Attributes
    ----------
    view : the newest `View`.
    outage : the `Outage` in front of the server; visitors come through it, and so does whoever opens ``outage.url``.
    visitors : the `Visitors` that pages have sent.
    notice : what came of the last order, in a sentence.
    """

    def __init__(self, watched: Watched):
        self.watched, self.view, self.notice = watched, View(), ""
        self.outage = Outage(watched)
        self.visitors = Visitors(self.outage.url)
        self._record = Record()
        self._probe = Probe(watched.agent, watched.token, timeout=PATIENCE)
        self._orders = ThreadPoolExecutor(4, thread_name_prefix="sessionlab order")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="sessionlab watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._orders.shutdown(cancel_futures=True)
        self.visitors.close()
        self.outage.close()
        self._thread.join(PATIENCE)

    # -- look ---------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._look()
            pause = max(EVERY - (time.monotonic() - began), EVERY / 2)

    def _look(self) -> None:
        try:
            self._record.take(*self._ask(), time.time())
        except ServerGone:
            self._lose(f"Nobody answers at {self.watched.origin} any more: the server has ended.", ended=True)
        except NoProbe:
            self._lose(f"Another server answers at {self.watched.origin}, one that this monitor was not made for.")
        except ProbeSilent:
            self._lose("")  # the pages count the seconds themselves
        except Exception as error:  # a thread that ended would leave a page that looks alive
            self._lose(f"The monitor could not look: {error!r}")
        self.view = self._record.view()

    def _lose(self, trouble: str, ended: bool = False) -> None:
        self._record.lose(trouble, time.time(), ended)

    def _ask(self) -> tuple[list[dict], list[dict]]:
        """The timelines and the lists of sessions of every process that serves, those left out that do not answer."""
        first = self._probe.ask("GET", "timeline", **self._record.cursors)
        if not first["ports"]:
            return [first], [self._probe.ask("GET", "sessions")]
        timelines, sessions = [], []
        for port in first["ports"].values():  # of --num-procs: on the server's own port anybody answers
            worker = Probe(f"http://{HOST}:{port}", self.watched.token, timeout=SILENT)
            with contextlib.suppress(SessionLabError):
                timelines.append(worker.ask("GET", "timeline", **self._record.cursors))
                sessions.append(worker.ask("GET", "sessions"))
        return timelines, sessions

    # -- order --------------------------------------------------------------------------------------------

    def open_visitors(self, number: int) -> None:
        """Let ``number`` visitors without a browser come; they stay until `send_visitors_away`."""
        number = min(number, MOST - self.visitors.present.all)
        self.visitors.open(number)
        self._tell(f"Sent {number} visitors." if number else f"{MOST} visitors are all there can be.")

    def send_visitors_away(self) -> None:
        self.visitors.leave()
        self._tell("The visitors close their tabs. The server keeps their sessions for its lifetime.")

    def cut(self) -> None:
        """Close every connection through the wire and refuse new ones until `restore`."""
        self._order("Cutting …", self.outage.refuse, lambda _: "The wire is cut: every attempt is refused.")

    def restore(self) -> None:
        self._order("Restoring …", self.outage.restore, lambda _: "The wire is whole again.")

    def collect(self) -> None:
        """Collect garbage in the server."""
        self._order(
            "Collecting …",
            self._probe.collect,
            lambda c: f"Collected {c.unreachable:,} objects in {c.seconds:.2f} s; memory is {c.rss / 1e6:.1f} MB.",
        )

    def end(self, label: str) -> None:
        """End the session that the bars call ``label``."""
        row = self.view.sessions.get(label)
        if row is None:
            self._tell(f"There is no session {label} now." if label else "Choose a session first: click its bar.")
            return

        def told(discarded) -> str:
            if not discarded.kept:
                return f"Session {label} has been ended."
            kept = discarded.kept[0]
            why = f"{kept.blocks} blocks" if kept.blocks else "a connection" if kept.connections else "its own callback"
            return f"Session {label} could not be ended yet: {why} kept it."

        self._order(f"Ending session {label} …", lambda: self._probe.end(row["id"]), told)

    def _order(self, meanwhile: str, work: Callable, told: Callable[[Any], str]) -> None:
        def run():
            try:
                self._tell(told(work()))
            except SessionLabError as error:
                self._tell(error.what)
            except Exception as error:
                self._tell(f"That failed: {error!r}")

        self._tell(meanwhile)
        self._orders.submit(run)

    def _tell(self, notice: str) -> None:
        self.notice = f"{time.strftime('%H:%M:%S')} {notice}"
