"""The phases of a hunt: is it a leak, how big, who holds it.

A server of its own is started. Visitors come in windows; after each batch every session is discarded and the
garbage collected, and what is still there is counted. `decision.py` decides, `retainers.py` names the holders.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from sessionlab.agent.ledger import MOST
from sessionlab.client.scenario import PATIENCE, Scenario
from sessionlab.errors import InvalidOption, ProbeSilent, ServerGone
from sessionlab.leaks import decision, outcome
from sessionlab.leaks.advice import holders_in
from sessionlab.leaks.decision import Finding, Holder, Judgement
from sessionlab.leaks.identity import read_baseline
from sessionlab.leaks.living import live as look_at_living
from sessionlab.leaks.outcome import Evidence
from sessionlab.leaks.preflight import explained, look
from sessionlab.leaks.result import Batch, HuntResult, Live
from sessionlab.leaks.visitors import Visitors
from sessionlab.programs import way_of
from sessionlab.raised import Raised, in_hooks, uncaught
from sessionlab.server import Server, serve

WARM_UP, WINDOWS = 12, (24, 36)  # sessions
BATCHES = 4  # a window
LONG_WAIT = 1.5  # seconds that work outlives its session, with which batches take too long to have that many
FEWEST = 4  # sessions a batch, however slow the application is
TARGET = 12.0  # seconds that the first two windows may take
MANY = 150  # sessions after which a container that may have a bound is believed to have none
BLOCKED = 12.0  # seconds without any session let go, after which blocked sessions never expire
LINGERS = (130.0, 3700.0)  # seconds of the server's clock in which a block that outlasts its work ends
DAY = 90_000.0  # seconds: a day, and an hour for those who keep things for a day
TRACED = 4  # visits that are followed line by line


def hunt(
    app: str | os.PathLike | Sequence[str | os.PathLike] = (),
    *,
    command: str | Sequence[str] | None = None,
    sessions: int | None = None,
    max_seconds: float = 90.0,
    scenario: str | os.PathLike | Scenario | None = None,
    interact: bool = True,
    framework: str | None = None,
    panel_args: Sequence[str] = (),
    env: dict[str, str] | None = None,
    baseline: str | os.PathLike | None = None,
    live: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> HuntResult:
    """Open and end sessions of ``app`` until it is plain whether it keeps something of each.

    Parameters
    ----------
    app : a script, a directory app, a notebook, ``"module:function"``, or a list of these; or a program that serves.
    command : starts the application instead, as for `sessionlab.serve`.
    sessions : at most so many; by default about 70, more where that leaves a doubt.
    max_seconds : seconds after which the verdict is given with what is known then.
    scenario : a scenario file or a `Scenario`: what each visitor does.
    interact : False leaves everything untouched: visitors only look.
    framework : ``"panel"``, ``"bokeh"`` or ``"program"``; by default told from the application's source.
    panel_args : further arguments of ``panel serve`` or ``bokeh serve``, or of the program.
    env : environment variables for the server, besides those of this process.
    baseline : a file of leaks that are known, from `HuntResult.write_baseline`: they do not fail.
    live : also look whether a session grows while it stays open, with events and with time; False leaves that out.
    progress : called with the name of the phase and the part of the whole that is done.

    Raises a SessionLabError when the application could not be run; nothing is left behind then.
    """
    if sessions is not None and sessions < 3 * FEWEST:
        raise InvalidOption(f"sessions={sessions} cannot be used.", advice=f"give at least {3 * FEWEST}.")
    if max_seconds <= 0:
        raise InvalidOption(f"max_seconds={max_seconds:g} cannot be used.", advice="give seconds, more than zero.")
    if not isinstance(scenario, Scenario):
        scenario = Scenario.load(scenario, interact) if scenario else Scenario.default(interact)
    known = read_baseline(baseline) if baseline is not None else frozenset()
    started = time.monotonic()
    deadline = started + max_seconds
    apps, panel_args = [app] if isinstance(app, str | os.PathLike) else list(app), list(map(str, panel_args))
    more = list(itertools.takewhile(lambda word: not word.startswith("-"), panel_args))
    if more and apps and command is None and (framework or way_of(apps, panel_args).framework) in ("panel", "bokeh"):
        apps, panel_args = [*apps, *more], panel_args[len(more) :]  # more pages of the same server
    server = serve(
        apps,
        command=command,
        framework=framework,
        panel_args=_one_process(panel_args),
        env=env,
        ready_timeout=min(40.0, max(5.0, max_seconds)),
        preload=False,  # what is measured starts as it does in production
    )
    with server:
        try:
            began = _Hunt(server, scenario, deadline, sessions, progress or (lambda phase, part: None))
            found = began.run()
            notes: list[str] = []
            stays = _stays_open(began, found, notes) if live else Live()
            return dataclasses.replace(
                found,
                live=stays,
                notes=(*found.notes, *notes),
                seconds=time.monotonic() - started,
                errors=_raised(server),
                served=str(server.way),
                known=known,
                pages=tuple(urlsplit(url).path for url in began.visitors.urls),
                pace=began.visitors.pace.to_dict(),
            )
        except (ProbeSilent, ServerGone) as error:
            raise explained(server, error) from error


def _stays_open(began: _Hunt, found: HuntResult, notes: list[str]) -> Live:
    """What becomes of a session that stays open, where it can be told from those that others left."""
    if found.verdict == "never-expires":
        notes.append("live: the sessions that never expire go on beside one that stays open: mend that first.")
        return Live()
    began.progress("a session that stays open", 0.95)
    stays = look_at_living(began.visitors, began.deadline, notes)
    began.progress("done", 1.0)
    return stays


def _raised(server: Server) -> tuple[Raised, ...]:
    """What the application raised in its callbacks, and in its script after the first page."""
    lines = server.read_log()
    failed = [event["detail"] or event["error"] for event in server.log.events("app-failed")]
    hooks = [event for event in server.probe.timeline().events if event["event"] == "hook failed"]
    return (*uncaught(lines, failed, server.apps), *in_hooks(hooks))


def _one_process(panel_args: Sequence[str]) -> list[str]:
    if any(a == "--num-procs" or a.startswith("--num-procs=") for a in panel_args):
        raise InvalidOption(
            "--num-procs cannot be hunted.",
            why="The sessions of one visit are spread over processes that do not know of each other.",
            advice="leave it out: a leak in one process is a leak in each.",
        )
    return list(panel_args)


def _may_be_bounded(judgement: Judgement) -> bool:
    """Whether all that speaks for a leak are containers from which the application removes something."""
    leaks = judgement.of("leak") if judgement.verdict == "leak" else ()
    return bool(leaks) and all(finding.holder.may_be_bounded for finding in leaks)


def _forgotten(finding: Finding, names: set[str]) -> Finding:
    old = finding.kind == "bounded" and finding.holder.holder in names
    return dataclasses.replace(finding, why="what is old is let go of") if old else finding


class _Hunt:
    def __init__(self, server: Server, scenario: Scenario, deadline: float, most, progress):
        self.server, self.scenario, self.deadline, self.progress = server, scenario, deadline, progress
        self.probe = server.probe
        self.probe.timeout = 30.0
        self.most = most
        self.seen = Evidence(", ".join(server.apps))
        self.sizes = self.seen.sizes
        self.visitors = Visitors(server, scenario, deadline, self.seen.notes)
        self.cost = 0.1  # seconds a session
        self.fewest = FEWEST  # sessions a batch
        self._be_patient(server.first_page)

    # -- the phases -----------------------------------------------------------------------------------------------

    def run(self) -> HuntResult:
        self.progress("first visit", 0.02)
        self.probe.extend("retainers")
        pace = self.visitors.pace = look(self.server, self.scenario, self.visitors.urls, self.seen.notes)
        if pace.slow:
            self.fewest = FEWEST // 2
            self._be_patient(pace.slowest)
        if not self.visitors.empty(5.0):
            self.probe.freeze()  # what was imported need not be counted, nor collected, with every batch
        self.progress("warm-up", 0.08)
        begin = time.monotonic()
        number = WARM_UP if self.most is None else max(FEWEST, min(WARM_UP, self.most // 6))
        number = max(self.fewest, min(number, int(0.15 * self._left() / max(0.1, pace.visit))))
        self.visitors.visit(number)
        self.cost = max(0.01, (time.monotonic() - begin) / number)
        if never := self._never_expires(number):
            return never
        self.visitors.rest()
        self.probe.ask("POST", "turn", patience=60)
        sizes = self._plan()
        for place, size in enumerate(sizes):
            self._window(size, 0.1 + 0.3 * place, 0.1 + 0.3 * (place + 1))
        judgement = self._after_work(self._decide())
        while self._in_doubt(judgement) and (size := self._next_size()):
            self._window(size, 0.6, 0.8)
            judgement = self._after_work(self._decide())
        if judgement.verdict == "undecided":
            judgement = self._decide(final=True)
        if _may_be_bounded(judgement) and self._left() > 0:
            judgement = self._a_day_later(judgement)
        if judgement.verdict == "leak":
            self.progress("who holds it", 0.85)
            judgement = self._trace(judgement)
        if judgement.verdict == "leak" and self.visitors.unfinished:
            judgement = dataclasses.replace(judgement, verdict="undecided")
        if judgement.verdict == "undecided" and self._left() < 1:
            self.seen.notes.append("the time was up before it was plain: give more with --max-seconds.")
        return outcome.result(self.seen.close(self.probe), judgement)

    def _be_patient(self, seconds: float) -> None:
        """Let every answer of the server, and of its agent, take longer than its slowest yet."""
        patience = max(PATIENCE, 4 * seconds)
        self.scenario = self.visitors.scenario = dataclasses.replace(self.scenario, patience=patience)
        self.probe.timeout = max(self.probe.timeout, patience)

    def _plan(self) -> list[int]:
        if self.most is not None:
            left = max(2 * FEWEST, self.most - WARM_UP if self.most > 40 else self.most * 5 // 6)
            return [left * 2 // 5, left - left * 2 // 5]
        affordable = min(TARGET, 0.4 * self._left()) / self.cost
        scale = min(1.0, affordable / sum(WINDOWS))
        least = (2 * self.fewest, 2 * self.fewest + 2)
        return [max(low, round(scale * size)) for low, size in zip(least, WINDOWS, strict=True)]

    def _next_size(self) -> int:
        """Sessions of one more window; 0 when there is no time, or none are allowed."""
        seconds = min(self._left() - 4.0, 25.0)
        size = min(int(seconds / self.cost), max(round(1.5 * self.sizes[-1]), MANY - sum(self.sizes) - WARM_UP))
        if self.most is not None:
            size = min(size, self.most - sum(self.sizes) - WARM_UP)
        return size if size >= max(2 * self.fewest, self.sizes[-1] // 3) else 0

    def _in_doubt(self, judgement: Judgement) -> bool:
        if judgement.verdict == "undecided":
            return len(self.sizes) < 6
        return sum(self.sizes) + WARM_UP < MANY and _may_be_bounded(judgement)

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def _never_expires(self, number: int) -> HuntResult | None:
        self.progress("sessions end", 0.12)
        kept = self.visitors.empty(BLOCKED / 4)
        for seconds in LINGERS if kept and any(session.blocks for session in kept) else ():
            self.server.pass_time(seconds)
            if not self.visitors.empty(1.0):
                self.visitors.linger = seconds
                self.seen.notes.append(
                    f"sessions stay for a while after they are left: {seconds:g} s were let pass each time."
                )
                return None
        if not (kept := self.visitors.empty(BLOCKED)):
            return None
        first = len(kept)
        self.visitors.visit(number)
        kept = self.visitors.empty(BLOCKED / 2)
        if len(kept) < first + max(1, number // 6):
            self.visitors.pinned = len(kept)
            self.seen.notes.append(f"{len(kept)} sessions stay from the beginning; their number does not grow.")
            return None
        return outcome.blocked(self.seen.close(self.probe), kept, 2 * number)

    def _window(self, size: int, begin: float, end: float) -> None:
        window = len(self.sizes) + 1
        batches = min(BATCHES, max(2, size // self.fewest)) if self.visitors.waited < LONG_WAIT else 2
        before = first = self._census()
        rates = []
        for batch in range(batches):
            self.progress(f"window {'ABCDEFGH'[window - 1]}", begin + (end - begin) * batch / batches)
            self.visitors.visit(size // batches + (batch < size % batches))
            self.visitors.empty(3.0)
            self.visitors.rest()
            after = self._census()
            number = max(1, after.created - before.created)
            heap = None if after.heap is None else (after.heap - before.heap) / number
            self.seen.batches.append(Batch(window, number, heap, (after.objects - before.objects) / number))
            if heap is not None:
                rates.append(heap)
            before = after
            if self._left() < 0 and batch:
                break
        self.sizes.append(before.created - first.created)
        self.seen.memory.append(rates)
        self.seen.counts.append((first, before))
        self.probe.ask("POST", "turn", patience=60)

    def _census(self):
        return self.probe.census(settle=True)

    # -- the decision ---------------------------------------------------------------------------------------------

    def _holders(self) -> tuple[list[Holder], float]:
        answer = self.probe.ask("GET", "holders", patience=60)
        self.seen.files, self.seen.values, self.seen.odd = answer["files"], answer["values"], answer["odd"]
        return holders_in(answer["holders"]), answer["small"]

    def _decide(self, final: bool = False) -> Judgement:
        holders, self.seen.small = self._holders()
        return self._judged(holders, final)

    def _judged(self, holders: list[Holder], final: bool) -> Judgement:
        memory = () if self.seen.worked else self.seen.memory
        return decision.decide(holders, self._told_apart(holders), memory, final=final)

    def _told_apart(self, holders: list[Holder]) -> list[int]:
        """The sizes of the windows that the rows tell apart: the newest ones."""
        return self.sizes[-max((len(h.below) for h in holders), default=MOST) :]

    def _after_work(self, judgement: Judgement) -> Judgement:
        """The same decision after the end of what still works for sessions that have ended, as far as it ends."""
        if judgement.verdict not in ("leak", "undecided"):
            return judgement
        if self.visitors.outlast() < max(2, self.sizes[-1] // 10):  # what works for nobody ends now and then, too
            return judgement
        if not self.seen.worked:
            self.seen.notes.append("some work went on after its session; its end was waited for.")
        self.seen.worked = True
        self.probe.ask("POST", "turn", again=1, patience=60)
        self.seen.counts[-1] = (self.seen.counts[-1][0], self._census())
        return self._decide()

    def _a_day_later(self, judgement: Judgement) -> Judgement:
        """The same decision after a day by the server's clocks: what is forgotten by age is no leak."""
        self.progress("a day later", 0.8)
        self.probe.extend("aging")
        self.probe.ask("POST", "age", seconds=DAY, patience=60)
        self._window(2 * FEWEST, 0.8, 0.85)
        later = self._decide(final=True)
        for measured in (self.seen.memory, self.seen.counts):
            measured.pop()  # what was let go of is no size of a session
        self.seen.batches = [batch for batch in self.seen.batches if batch.window < len(self.sizes)]
        if later.verdict == "leak":
            return judgement
        self.seen.notes.append("a day was let pass on the server's clocks.")
        grew = {finding.holder.holder for finding in judgement.of("leak")}
        return dataclasses.replace(later, findings=tuple(_forgotten(f, grew) for f in later.findings))

    def _trace(self, judgement: Judgement) -> Judgement:
        """The same decision once more, after a while; meanwhile some visits tell which lines it comes from."""
        self.progress("which line", 0.9)
        self.probe.ask("POST", "trace", on=1)
        visits = max(1 if self.visitors.pace.slow else 2, min(TRACED, int(5.0 / (4 * self.cost))))
        try:
            self.visitors.visit(visits, together=2)
        finally:
            seen = self.probe.ask("POST", "trace", on=0)
        self.visitors.empty(3.0)
        self.visitors.rest()
        self.seen.lines, self.seen.heap_lines, self.seen.traced = seen["lines"], seen["heap"], visits
        holders, self.seen.small = self._holders()
        again = self._judged(holders, final=True)
        # what has gone meanwhile was a thread or a task that had only not ended yet
        return again if again.verdict != "undecided" else judgement
