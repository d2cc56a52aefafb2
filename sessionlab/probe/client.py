"""Ask the probe in a served process. Runs in the lab.

probe = Probe(server.origin, token)
before = probe.census(settle=True)
...
print(probe.census(settle=True).minus(before))
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator

from sessionlab.errors import NoProbe, ProbeFailed, ProbeSilent, ServerGone, SessionLabError, SessionNotFound
from sessionlab.probe.element_log import ElementLog
from sessionlab.probe.results import Census, Collected, Container, Discarded, Session, merged
from sessionlab.probe.timeline import Timeline

TOKEN_HEADER = "X-Sessionlab-Token"
POLL = 10.0  # seconds that the server holds a question for events that have not happened yet


class Probe:
    """The probe of a served process, over HTTP. Synchronous; every question is a connection of its own.

    Parameters
    ----------
    origin : ``http://127.0.0.1:PORT``.
    token : the secret that the probe was installed with.
    timeout : seconds to wait for an answer. A server that is busy in a callback answers only after it.

    Raises (every method)
    ---------------------
    ServerGone : nobody listens any more, or the server ended while it was answering.
    ProbeSilent : no answer in time.
    NoProbe : the server has no probe, or one with another token.
    ProbeFailed : the probe raised.
    """

    def __init__(self, origin: str, token: str, *, timeout: float = 15.0):
        self.origin, self.timeout, self._token = origin.rstrip("/"), timeout, token

    # -- look ---------------------------------------------------------------------------------------------

    def hello(self) -> dict:
        """Who answers: ``pid``, ``workers``, ``versions``, ``apps``, ``elements``, and the probe's own ``errors``."""
        return self._ask("GET", "hello")

    def faults(self) -> tuple[str, ...]:
        """What the agent itself failed to note, in sentences; none as long as it fits this Panel and Bokeh."""
        errors = self.hello()["errors"]
        return tuple(f"the lab's agent failed, and what it tells of sessions has gaps: {error}." for error in errors)

    def census(self, settle: bool = False, *, trim: bool = False, types: bool = False) -> Census:
        """Count what lives in the process.

        Parameters
        ----------
        settle : collect garbage first, until none is left, and drop cancelled timers.
        trim : also give free memory back to the operating system.
        types : also count every class (``Census.types``).
        """
        answers, unseen = self._ask_all("GET", "census", settle=settle, trim=trim, types=types)
        pids = tuple(answer.pop("pid") for answer in answers)
        counts = merged([{k: v for k, v in a.items() if k not in ("workers", "ports")} for a in answers])
        return Census(**counts, pids=pids, unseen=unseen)

    def sessions(self) -> tuple[Session, ...]:
        """Every session that the server knows, the oldest first."""
        answers, _ = self._ask_all("GET", "sessions")
        return _sessions(row for answer in answers for row in answer["sessions"])

    def timeline(self, since: int = 0) -> Timeline:
        """What has happened to sessions, from event ``since`` on."""
        answers, unseen = self._ask_all("GET", "timeline", since=since)
        return Timeline.from_answers(answers, unseen)

    def elements(self, since: int = 0) -> ElementLog:
        """What the element log has noted, from event ``since`` on; switch it on first: `log_elements`."""
        answers, unseen = self._ask_all("GET", "elements", since=since)
        return ElementLog.from_answers(answers, unseen)

    def follow(self, what: str = "timeline", *, since: int | None = None, timeout: float = 10.0) -> Iterator[dict]:
        """Events as they happen, until none has come for ``timeout`` seconds.

        Parameters
        ----------
        what : ``"timeline"`` or ``"elements"``.
        since : number of the first event to give; by default the next one that happens.
        """
        # each worker of --num-procs has its own events, and a port on which they are asked for
        newest = list(self._each_worker("GET", what, since=1 << 60))
        ports = {answer["pid"]: newest[0]["ports"].get(str(answer["pid"])) for answer in newest}
        cursors = {answer["pid"]: since or answer["next"] for answer in newest}
        last = time.monotonic()
        while (left := last + timeout - time.monotonic()) > 0:
            wait = min(left, POLL if len(ports) == 1 else 0.2 / len(ports))
            for pid, port in ports.items():
                answer = self._ask("GET", what, port=port, since=cursors[pid], wait=wait, patience=wait)
                cursors[pid] = answer["next"]
                if answer["events"]:
                    yield from answer["events"]
                    last = time.monotonic()  # the caller's own work does not count as silence

    def containers(self, settle: bool = True) -> tuple[Container, ...]:
        """The containers that are longer than at the last `mark_containers`, the largest growth first."""
        answer = self._ask("GET", "containers", settle=settle)
        return tuple(Container(**row) for row in answer["containers"])

    # -- do -----------------------------------------------------------------------------------------------

    def mark_containers(self) -> int:
        """Settle and note the length of every container; return how many there are."""
        return self._ask("POST", "mark")["containers"]

    def collect(self, *, trim: bool = False) -> Collected:
        """Collect garbage until none is left; ``trim`` also gives free memory back to the operating system."""
        answers, _ = self._ask_all("POST", "collect", trim=trim)
        return Collected(
            sum(a["unreachable"] for a in answers), sum(a["seconds"] for a in answers), sum(a["rss"] for a in answers)
        )

    def freeze(self) -> None:
        """Settle, and take all that exists for permanent: a later settled census takes a tenth of its time.

        Meant for a server without sessions, before it is measured. What is frozen is counted once; when it goes
        after all, counts do not fall. Hunters go on looking into it; `containers` does not name what hangs there.
        """
        self._ask_all("POST", "freeze", meet=True)
        self._ask_all("POST", "freeze")

    def discard_unused(self, idle: float = 0.0) -> Discarded:
        """Discard now every session without a connection, if it has been unused for ``idle`` seconds.

        A session whose websocket has not arrived yet is unused as well. Blocked sessions are kept, and named.
        """
        answers, _ = self._ask_all("POST", "discard", idle=idle)
        return _discarded(answers)

    def end(self, session_id: str) -> Discarded:
        """Close the websockets of one session and discard it. Raises SessionNotFound."""
        for answer in self._each_worker("POST", "end", id=session_id):
            if not answer.get("missing"):
                return _discarded([answer])
        raise SessionNotFound(
            f"The server has no session {session_id!r}.",
            why="It has expired, has been discarded, or never was.",
            advice="probe.sessions() lists those it has.",
        )

    def log_elements(self, on: bool = True) -> None:
        """Switch the element log on or off; what was made before is not seen."""
        self._ask_all("POST", "elements", on=on)

    def reset(self) -> None:
        """Forget the events and samples noted so far."""
        self._ask_all("POST", "reset")

    def extend(self, module: str) -> None:
        """Load a module of the agent in the served process, which then answers more (``"retainers"``)."""
        self._ask("POST", "extend", module=module)

    def ask(self, method: str, name: str, *, patience: float = 0.0, **query) -> dict:
        """Ask what such a module answers; ``patience`` are seconds to wait besides ``timeout``."""
        return self._ask(method, name, patience=patience, **query)

    # -- talk ---------------------------------------------------------------------------------------------

    def _ask_all(self, method: str, name: str, **query) -> tuple[list[dict], tuple[int, ...]]:
        """The answer of every worker, and the pids of those that did not answer."""
        answers = list(self._each_worker(method, name, **query))
        seen = {answer["pid"] for answer in answers}
        return answers, tuple(sorted(set(answers[0]["workers"]) - seen))

    def _each_worker(self, method: str, name: str, **query) -> Iterator[dict]:
        """Ask the server, and then the other workers of ``--num-procs``, each on a port of its own."""
        first = self._ask(method, name, **query)
        yield first
        for pid, port in first["ports"].items():
            if int(pid) != first["pid"]:
                with contextlib.suppress(SessionLabError):
                    yield self._ask(method, name, port=port, **query)

    def _ask(self, method: str, name: str, *, port: int | None = None, patience: float = 0.0, **query) -> dict:
        url = urllib.parse.urlsplit(self.origin)
        values = {k: int(v) if isinstance(v, bool) else v for k, v in query.items()}
        path = f"/_sessionlab/{name}?{urllib.parse.urlencode(values)}"
        connection = http.client.HTTPConnection(url.hostname or "", port or url.port, timeout=self.timeout + patience)
        try:
            connection.request(method, path, headers={TOKEN_HEADER: self._token, "Connection": "close"})
            response = connection.getresponse()
            status, body = response.status, response.read()
        except TimeoutError:
            raise ProbeSilent(
                f"The server at {self.origin} did not answer within {self.timeout + patience:g} s.",
                why="Its event loop is busy in a callback, or the process is stopped: its sessions wait as well.",
                advice="wait for the callback to end, or make Probe(..., timeout=…) longer.",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise ServerGone(
                f"The server at {self.origin} is gone.",
                why=f"{type(error).__name__}: {error}",
                advice="look at the end of its log for the reason, and start it again.",
            ) from None
        finally:
            connection.close()
        return self._read(status, body)

    def _read(self, status: int, body: bytes) -> dict:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        if status == 200 and isinstance(answer, dict) and "pid" in answer:
            return answer
        if status >= 500:
            raise ProbeFailed(
                f"The probe at {self.origin} failed.",
                why=str(answer.get("error", body[:2000].decode(errors="replace"))),
                advice="this is a fault of the lab: please report it with the lines above.",
            )
        raise NoProbe(
            f"The server at {self.origin} has no probe that answers this lab.",
            why=f"It said {status}: {answer.get('error', 'no answer of a probe')}.",
            advice="start the app with sessionlab.serve(), and ask with the probe of that server.",
        )


def _sessions(rows) -> tuple[Session, ...]:
    return tuple(sorted((Session(**row) for row in rows), key=lambda s: -(s.age or 0)))


def _discarded(answers: list[dict]) -> Discarded:
    kept = [row for answer in answers for row in answer["kept"]]
    return Discarded(sum(answer["discarded"] for answer in answers), _sessions(kept))
