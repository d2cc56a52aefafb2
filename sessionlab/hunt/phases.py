"""The phases of a hunt: is it a leak, how big, who holds it.

A server of its own is started. Visitors come in windows; after each batch every session is discarded and the
garbage collected, and what is still there is counted. `windows.py` decides, `retainers.py` names the holders.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence

from sessionlab.errors import InvalidOption, ProbeSilent, ServerGone, SessionLabError
from sessionlab.hunt import windows
from sessionlab.hunt.known import advice_for, marked_line, owner_of
from sessionlab.hunt.ledger import MOST
from sessionlab.hunt.look import explained, framework_of, look
from sessionlab.hunt.result import Batch, Culprit, HuntResult
from sessionlab.hunt.scenario import Scenario
from sessionlab.hunt.windows import Holder, Judgement
from sessionlab.serve import Server, serve

WARM_UP, WINDOWS = 12, (24, 36)  # sessions
BATCHES = 4  # a window
FEWEST = 4  # sessions a batch, however slow the application is
TOGETHER = 4  # visitors at a time; more do not make a server faster
TARGET = 12.0  # seconds that the first two windows may take
MANY = 150  # sessions after which a container that may have a bound is believed to have none
BLOCKED = 12.0  # seconds without any session let go, after which blocked sessions never expire
LINGERS = (130.0, 3700.0)  # seconds of the server's clock in which a block that outlasts its work ends
TRACED = 4  # visits that are followed line by line


def run_hunt(
    app,
    *,
    sessions: int | None,
    max_seconds: float,
    scenario,
    interact: bool,
    framework: str | None,
    panel_args: Sequence[str],
    env: dict[str, str] | None,
    progress: Callable[[str, float], None] | None,
) -> HuntResult:
    """See `sessionlab.hunt.hunt`."""
    if sessions is not None and sessions < 3 * FEWEST:
        raise InvalidOption(f"sessions={sessions} cannot be used.", advice=f"give at least {3 * FEWEST}.")
    if max_seconds <= 0:
        raise InvalidOption(f"max_seconds={max_seconds:g} cannot be used.", advice="give seconds, more than zero.")
    if not isinstance(scenario, Scenario):
        scenario = Scenario.load(scenario, interact) if scenario else Scenario.default(interact)
    deadline = time.monotonic() + max_seconds
    apps, panel_args = [app] if isinstance(app, str | os.PathLike) else list(app), list(map(str, panel_args))
    while panel_args and not panel_args[0].startswith("-"):
        apps.append(panel_args.pop(0))  # more pages of the same server
    name = ", ".join(map(str, apps))
    server = serve(
        apps,
        framework=framework or framework_of(apps, panel_args),
        panel_args=_one_process(panel_args),
        env=env,
        ready_timeout=min(40.0, max(5.0, max_seconds)),
    )
    with server:
        try:
            return _Hunt(server, name, scenario, deadline, sessions, progress or (lambda phase, part: None)).run()
        except (ProbeSilent, ServerGone) as error:
            raise explained(server, error) from error


def _one_process(panel_args: Sequence[str]) -> list[str]:
    if any(a == "--num-procs" or a.startswith("--num-procs=") for a in panel_args):
        raise InvalidOption(
            "--num-procs cannot be hunted.",
            why="The sessions of one visit are spread over processes that do not know of each other.",
            advice="leave it out: a leak in one process is a leak in each.",
        )
    return list(panel_args)


class _Hunt:
    def __init__(self, server: Server, name: str, scenario: Scenario, deadline: float, most, progress):
        self.server, self.name, self.scenario, self.deadline, self.progress = server, name, scenario, deadline, progress
        self.probe = server.probe
        self.probe.timeout = 30.0
        self.most = most
        self.started = time.monotonic()
        self.urls = [url for route, url in server.urls.items() if not route.endswith("autoload.js")]
        self.stay, self.together = 0.0, TOGETHER
        self.cost = 0.1  # seconds a session
        self.linger = 0.0  # seconds of the server's clock that pass before sessions are discarded
        self.pinned = 0  # sessions that stay from the beginning, such as that of --reuse-sessions
        self.sizes: list[int] = []
        self.memory: list[list[float]] = []
        self.batches: list[Batch] = []
        self.counts: list[tuple] = []  # censuses at the begin and the end of each window
        self.notes: list[str] = []
        self.visitors = 0
        self.files: list[str] = []  # of the application
        self.small = 0.0  # bytes of an average small object that stayed
        self.lines: dict[str, list[str]] = {}
        self.heap_lines: dict[str, int] = {}
        self.traced = 1

    # -- the phases -----------------------------------------------------------------------------------------------

    def run(self) -> HuntResult:
        self.progress("first visit", 0.02)
        self.probe.extend("hunt.retainers")
        self._look()
        self.progress("warm-up", 0.08)
        begin = time.monotonic()
        number = WARM_UP if self.most is None else max(FEWEST, min(WARM_UP, self.most // 6))
        self._visits(number)
        self.cost = max(0.01, (time.monotonic() - begin) / number)
        if never := self._never_expires(number):
            return never
        self.probe.ask("POST", "turn", patience=60)
        sizes = self._plan()
        for place, size in enumerate(sizes):
            self._window(size, 0.1 + 0.3 * place, 0.1 + 0.3 * (place + 1))
        judgement = self._decide()
        while self._in_doubt(judgement) and (size := self._next_size()):
            self._window(size, 0.6, 0.8)
            judgement = self._decide()
        if judgement.verdict == "undecided":
            judgement = self._decide(final=True)
        if judgement.verdict == "leak":
            self.progress("who holds it", 0.85)
            judgement = self._trace(judgement)
        if judgement.verdict == "undecided" and self._left() < 1:
            self.notes.append("the time was up before it was plain: give more with --max-seconds.")
        self.progress("done", 1.0)
        return self._result(judgement)

    def _look(self) -> None:
        self.stay = look(self.server, self.scenario, self.urls, self.notes)
        if self.stay:
            self.together = 12
        self._empty(5.0)

    def _plan(self) -> list[int]:
        if self.most is not None:
            left = max(2 * FEWEST, self.most - WARM_UP if self.most > 40 else self.most * 5 // 6)
            return [left * 2 // 5, left - left * 2 // 5]
        affordable = min(TARGET, 0.4 * self._left()) / self.cost
        scale = min(1.0, affordable / sum(WINDOWS))
        return [max(2 * FEWEST, round(scale * size)) for size in WINDOWS]

    def _next_size(self) -> int:
        """Sessions of one more window; 0 when there is no time, or none are allowed."""
        seconds = min(self._left() - 4.0, 25.0)
        size = min(int(seconds / self.cost), max(round(1.5 * self.sizes[-1]), MANY - sum(self.sizes) - WARM_UP))
        if self.most is not None:
            size = min(size, self.most - sum(self.sizes) - WARM_UP)
        return size if size >= max(2 * FEWEST, self.sizes[-1] // 3) else 0

    def _in_doubt(self, judgement: Judgement) -> bool:
        if judgement.verdict == "undecided":
            return len(self.sizes) < 6
        if judgement.verdict != "leak" or sum(self.sizes) + WARM_UP >= MANY:
            return False
        leaks = judgement.of("leak")
        return bool(leaks) and all(f.holder.may_be_bounded for f in leaks)

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    # -- visits ---------------------------------------------------------------------------------------------------

    def _visits(self, number: int, together: int | None = None) -> None:
        failures = run(self._crowd(number, together or self.together))
        if len(failures) > number // 2:
            raise explained(self.server, failures[-1])
        if failures and len(self.notes) < 20:
            self.notes.append(f"{len(failures)} of {number} visits failed: {str(failures[-1]).splitlines()[0]}")

    async def _crowd(self, number: int, together: int) -> list[SessionLabError]:
        failures = []
        numbers = iter(range(self.visitors, self.visitors + number))
        self.visitors += number

        async def visitor():
            for each in numbers:
                try:
                    await self.scenario.visit(self.scenario.url(self.urls, each), self.stay)
                except (SessionLabError, OSError) as error:
                    failures.append(error)
                if len(failures) > number // 2:
                    return

        await asyncio.gather(*(visitor() for _ in range(min(together, number))))
        return failures

    def _empty(self, patience: float) -> tuple:
        """Discard every session; those that are still there when none was let go for ``patience`` seconds."""
        pause = threading.Event()  # nobody sets it: it only waits
        last, left = time.monotonic(), None
        if self.linger:
            self._pass_time(self.linger)
        while True:
            self.probe.discard_unused()
            sessions = self.probe.sessions()
            if len(sessions) <= self.pinned:
                return ()
            if left is None or len(sessions) < left:
                last, left = time.monotonic(), len(sessions)
            if time.monotonic() - last > patience or self._left() < 0:
                return sessions
            pause.wait(0.1)

    def _never_expires(self, number: int) -> HuntResult | None:
        self.progress("sessions end", 0.12)
        kept = self._empty(BLOCKED / 4)
        for seconds in LINGERS if kept and any(session.blocks for session in kept) else ():
            self._pass_time(seconds)
            if not self._empty(1.0):
                self.linger = seconds
                self.notes.append(
                    f"sessions stay for a while after they are left: {seconds:g} s were let pass each time."
                )
                return None
        if not (kept := self._empty(BLOCKED)):
            return None
        first = len(kept)
        self._visits(number)
        kept = self._empty(BLOCKED / 2)
        if len(kept) < first + max(1, number // 6):
            self.pinned = len(kept)
            self.notes.append(f"{len(kept)} sessions stay from the beginning; their number does not grow.")
            return None
        return self._blocked(kept, 2 * number)

    def _pass_time(self, seconds: float) -> None:
        self.probe.extend("observe.clock")
        self.probe.ask("POST", "pass_time", seconds=seconds, patience=60)

    def _window(self, size: int, begin: float, end: float) -> None:
        window = len(self.sizes) + 1
        batches = min(BATCHES, max(2, size // FEWEST))
        before = first = self._census()
        rates = []
        for batch in range(batches):
            self.progress(f"window {'ABCDEFGH'[window - 1]}", begin + (end - begin) * batch / batches)
            self._visits(size // batches + (batch < size % batches))
            self._empty(3.0)
            after = self._census()
            number = max(1, after.created - before.created)
            heap = None if after.heap is None else (after.heap - before.heap) / number
            self.batches.append(Batch(window, number, heap, (after.objects - before.objects) / number))
            if heap is not None:
                rates.append(heap)
            before = after
            if self._left() < 0 and batch:
                break
        self.sizes.append(before.created - first.created)
        self.memory.append(rates)
        self.counts.append((first, before))
        self.probe.ask("POST", "turn", patience=60)

    def _census(self):
        return self.probe.census(settle=True)

    # -- the decision ---------------------------------------------------------------------------------------------

    def _holders(self) -> tuple[list[Holder], float]:
        answer = self.probe.ask("GET", "holders", patience=60)
        self.files = answer["files"]
        fields = {f.name for f in dataclasses.fields(Holder)}
        rows = [Holder(**{k: v for k, v in row.items() if k in fields}) for row in answer["holders"]]
        rows = [dataclasses.replace(row, owner=owner_of(row)) for row in rows if "sessionlab" not in row.holder]
        return rows, answer["small"]

    def _decide(self, final: bool = False) -> Judgement:
        holders, self.small = self._holders()
        return windows.decide(holders, self._told_apart(holders), self.memory, final=final)

    def _told_apart(self, holders: list[Holder]) -> list[int]:
        """The sizes of the windows that the rows tell apart: the newest ones."""
        return self.sizes[-max((len(h.below) for h in holders), default=MOST) :]

    def _trace(self, judgement: Judgement) -> Judgement:
        """The same decision once more, after a while; meanwhile some visits tell which lines it comes from."""
        self.progress("which line", 0.9)
        self.probe.ask("POST", "trace", on=1)
        visits = max(2, min(TRACED, int(5.0 / (4 * self.cost))))
        try:
            self._visits(visits, together=2)
        finally:
            seen = self.probe.ask("POST", "trace", on=0)
        self._empty(3.0)
        self.lines, self.heap_lines, self.traced = seen["lines"], seen["heap"], visits
        holders, self.small = self._holders()
        again = windows.decide(holders, self._told_apart(holders), self.memory, final=True)
        # what has gone meanwhile was a thread or a task that had only not ended yet
        return again if again.verdict != "undecided" else judgement

    def _result(self, judgement: Judgement) -> HuntResult:
        culprits = [self._culprit(f) for f in judgement.of("leak" if judgement.verdict == "leak" else "bounded")]
        if judgement.verdict == "bounded":
            culprits += [self._culprit(f) for f in judgement.of("ends")]
        if judgement.verdict == "undecided":
            culprits = [self._culprit(f) for f in judgement.of("open")]
        if judgement.verdict == "leak" and not culprits:
            culprits = [
                Culprit(
                    "memory outside Python's objects",
                    judgement.memory.rate,
                    ("memory outside Python's objects", "held by a C extension, or by compiled code"),
                    self._line_of_memory(judgement.memory.rate),
                    "native",
                    "look for what the application compiles, opens or allocates at every visit "
                    "(numba.njit, ctypes, an image or database library), and do it once.",
                    judgement.memory.rate,
                )
            ]
        for finding in judgement.of("residue"):
            self.notes.append(f"{finding.holder.holder} gains a few bytes a session; that is its own.")
        if judgement.why and judgement.verdict == "undecided":
            self.notes.append(judgement.why + ".")
        merged: dict[str, Culprit] = {}
        for culprit in sorted(culprits, key=lambda c: -c.bytes):
            merged.setdefault(culprit.holder, culprit)
        return self._made(judgement.verdict, tuple(merged.values())[:12])

    def _culprit(self, finding) -> Culprit:
        holder: Holder = finding.holder
        traced = self.lines.get(holder.holder, ())
        marked = marked_line(holder, self.files)
        location = next((line for line in (marked, *traced, *holder.filled, holder.defined) if line), "")
        title = holder.holder
        if title.startswith(("Thread", "Timer")) and location:
            title = f"{title} started at {location}"
        chain = tuple(holder.chain) if finding.kind == "leak" else (holder.holder, finding.why)
        advice = advice_for(holder) if finding.kind == "leak" else f"no leak: {finding.why}."
        sessions = sum(self.sizes[-2:])
        return Culprit(title, finding.rate, chain, location, holder.owner, advice, holder.bytes / max(1, sessions))

    def _line_of_memory(self, rate: float) -> str:
        """The line after which a visit has as much more memory as it leaves for good; empty if none fits."""
        fits = {n: abs(size / self.traced - rate) for n, size in self.heap_lines.items()}
        best = min(fits, key=fits.get, default="")
        return best if best and fits[best] < 0.3 * rate else ""

    def _blocked(self, kept, visits: int) -> HuntResult:
        """The verdict on sessions that never end, with who blocked them."""
        events = self.probe.timeline().events
        lines: dict[str, int] = {}
        for event in events:
            if event.get("event") == "blocked" and event.get("where"):
                lines[event["where"]] = lines.get(event["where"], 0) + 1
        counts = sorted({s.blocked_count for s in kept})
        blocked = any(counts)
        holder = "session.expiration_blocked_count" if blocked else "sessions that could not be discarded"
        where = max(lines, key=lines.get) if lines else ""
        advice = (
            "pn.state.block_expiration() counts up every session of the app; unblock in a finally, "
            "or use sessionlab.harden.block_expiration()."
            if blocked
            else "look at the server's log for what fails when a session ends."
        )
        culprit = Culprit(
            holder,
            len(kept) / visits,
            (holder, f"{len(kept)} sessions without a visitor", f"block counts {', '.join(map(str, counts))}"),
            where,
            "app" if where else "bokeh",
            advice,
        )
        self.sizes.append(visits)
        result = self._made("never-expires", (culprit,))
        return dataclasses.replace(result, per_session={**result.per_session, "sessions": len(kept) / visits})

    def _made(self, verdict: str, culprits: tuple[Culprit, ...]) -> HuntResult:
        number = max(1, sum(last.created - first.created for first, last in self.counts))

        def each(name: str) -> float:
            return sum(getattr(last, name) - getattr(first, name) for first, last in self.counts) / number

        grows = verdict in ("leak", "bounded", "undecided")
        heap = statistics.median(r for rates in self.memory[-2:] for r in rates) if any(self.memory[-2:]) else 0.0
        size = max(0.0, heap) + (max(0.0, each("blocks")) * self.small if grows else 0.0)
        explained = sum(c.bytes for c in culprits) if verdict == "leak" else 0.0
        if explained > 0 and abs(size - explained) < windows.BYTES_FLOOR:
            size = explained  # the rest is Panel's own, or the table that the holder doubles now and then
        return HuntResult(
            app=self.name,
            verdict=verdict,
            sessions=self.probe.census().created,
            seconds=time.monotonic() - self.started,
            per_session={
                "bytes": size,
                **{name: each(name) for name in ("objects", "documents", "models", "sessions", "threads")},
            },
            floor={
                "bytes": windows.bytes_floor(self.memory) if self.memory else windows.BYTES_FLOOR,
                "objects": max(windows.LEAST_RATE, windows.ENOUGH / max(1, sum(self.sizes))),
            },
            culprits=culprits,
            versions={k: v for k, v in self.probe.hello()["versions"].items() if v},
            notes=tuple(self.notes),
            batches=tuple(self.batches),
        )


def run(coroutine):
    """Run a coroutine to its end, also from within a running event loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    result: list = []

    def work():
        try:
            result.append((asyncio.run(coroutine), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=work, name="sessionlab hunt", daemon=True)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value
