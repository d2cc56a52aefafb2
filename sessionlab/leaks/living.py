"""Does a session grow while it lives: with every event of its user, or with time?

The pages are opened once more, and stay open. What their users do happens in two windows of unlike size, then the
server's clock moves in two windows; `decision.py` decides as it does on sessions, with rounds in their place.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sessionlab.client import Session
from sessionlab.client.scenario import MOST_WIDGETS, figures, point_at, use_widgets, varied
from sessionlab.errors import ErrorReply, SessionLabError
from sessionlab.leaks import decision, on_page
from sessionlab.leaks.advice import advice_while_open, holders_in
from sessionlab.leaks.decision import Finding, Holder, Judgement
from sessionlab.leaks.on_page import page_of
from sessionlab.leaks.outcome import NATIVE, Evidence, culprits_of
from sessionlab.leaks.result import Culprit, Live
from sessionlab.leaks.visitors import Visitors
from sessionlab.sync import run

PAGES = 4  # that are open at once
WARM_UP = 4  # rounds: what is used for the first time fills caches
MOMENT = 0.15  # seconds in which what a burst of events asked for is taken in
SHARES = (20, 30)  # rounds of the windows, and parts of the time
SELDOM = 0.2  # gains a round
LEAST = (4, 6)  # rounds, however long one takes
WINDOW = 1.5  # seconds that the events of the first window may take
TRACED = 4  # rounds that are followed line by line
MOST = 6  # windows, while there is a doubt
MANY = 150  # rounds after which a container that may have a bound is believed to have none
HALF_AN_HOUR = 1800.0  # seconds of the server's clock that a page stands open, if that can be had
PATIENCE = 3.0  # seconds that moving the clock may take
ENOUGH = 6.0  # seconds without which it is not begun


def live(visitors: Visitors, deadline: float, notes: list[str]) -> Live:
    """Look whether the pages of ``visitors`` grow while they are open; ``notes`` gain what could not be seen.

    Its server has to be at rest: no session that another visitor left.
    """
    if deadline - time.monotonic() < ENOUGH:
        notes.append("live: no time was left for a session that stays open.")
        return Live()
    return run(_Live(visitors, deadline, notes).run())


@dataclass
class Window:
    """What happened in one window: ``rounds`` of one ``kind``, event or minute, ``amount`` of these.

    ``seconds`` of the server's clock passed. ``heap`` is bytes a round, None where that cannot be told; ``objects``
    how many more there are.
    """

    kind: str
    rounds: int
    amount: float
    seconds: float
    heap: float | None
    objects: int


class _Live:
    def __init__(self, visitors: Visitors, deadline: float, notes: list[str]):
        self.visitors, self.deadline, self.notes = visitors, deadline, notes
        self.probe, self.scenario = visitors.server.probe, visitors.scenario
        self.sessions: list[Session] = []
        self.hands: list[Hands] = []
        self.windows: list[Window] = []
        self.pages: list[collections.Counter[str]] = []  # what was on the pages at the end of each
        self.answer: dict = {}  # the newest of the holders
        self._part = 1.0  # seconds of the server's clock in a round of time
        self._passed = 0.0  # seconds by which the clock was moved between events
        self._left_behind: dict = {}  # heap and objects after the last turn

    async def run(self) -> Live:
        async with contextlib.AsyncExitStack() as stack:
            try:
                for url in self.visitors.urls[:PAGES]:
                    session = await self.scenario.enter(url)
                    stack.push_async_callback(self.scenario.close, session)
                    self.sessions.append(session)
                if len(self.visitors.urls) > PAGES:
                    self.notes.append(f"live: {PAGES} of {len(self.visitors.urls)} pages stayed open.")
                return await self._look()
            except Exception as error:  # the other verdict is known already, and must not be lost
                kind = "" if isinstance(error, SessionLabError) else f"{type(error).__name__}: "
                self.notes.append(f"live: {kind}{str(error).partition(chr(10))[0]}")
                return Live("undecided")

    async def _look(self) -> Live:
        await self._ask("POST", "extend", module="clock")
        plan = [*await self._plan_events(), *await self._plan_time()]
        await self._rest()
        self._left_behind = await self._ask("POST", "turn", anew=MOST)
        self.pages.append(page_of(self.sessions))
        for kind, rounds in plan:
            await self._window(kind, rounds)
        self.answer = await self._ask("GET", "holders")
        judged = self._judge()
        while (more := self._more(judged)) and self._left() > PATIENCE:
            for kind, rounds in more:
                await self._window(kind, rounds)
            self.answer = await self._ask("GET", "holders")
            judged = self._judge()
        judged = self._judge(final=True)
        lines = {}
        if any(each.verdict == "leak" for each in judged.values()):
            lines = await self._trace()
            if not any(each.of("leak") for each in judged.values()):  # memory alone: which value is heavier now?
                self.answer = await self._ask("GET", "holders")
        growths = {kind: self._growth(kind, each, lines) for kind, each in judged.items()}
        for kind, growth in growths.items():
            if any(
                culprit.holder == NATIVE for culprit in growth.culprits
            ):  # there is no object to look at: how it grew
                rates = (
                    f"{w.rounds} times {w.heap:.0f} B" for w in self.windows if w.kind == kind and w.heap is not None
                )
                self.notes.append(f"live: the memory alone grew with every {kind}: {', '.join(rates)}.")
        return self._told(growths)

    # -- what happens -----------------------------------------------------------------------------------------------

    async def _plan_events(self) -> list[tuple[str, int]]:
        """The windows of events, after some rounds that warm up; none for a page on which nothing can be done."""
        if self.scenario.interact is None:
            return []
        self.hands = [Hands(session, self.scenario.interact) for session in self.sessions]
        began, rounds, sent = time.monotonic(), 0, 0
        while rounds < WARM_UP and (not rounds or time.monotonic() - began < WINDOW):
            sent, rounds = sent + await self._use(2), rounds + 2
        cost = (time.monotonic() - began) / rounds
        sizes = [max(low, min(n, int(WINDOW * n / SHARES[0] / cost))) for low, n in zip(LEAST, SHARES, strict=True)]
        sizes = [_even(size) for size in sizes]
        return [("event", size) for size in sizes] if sent else []

    async def _plan_time(self) -> list[tuple[str, int]]:
        """The windows of time, after some that warms up and shows how fast it can pass."""
        if self._left() < ENOUGH:
            self.notes.append("live: no time was left to let some pass.")
            return []
        began = time.monotonic()
        passed = await self._elapse(300.0, PATIENCE / 6)
        whole = min(HALF_AN_HOUR, PATIENCE * passed / max(1e-3, time.monotonic() - began))
        self._part = whole / sum(SHARES)
        if whole < HALF_AN_HOUR:
            seldom = f"what happens less often than every {5 * self._part:.0f} s was not seen"
            self.notes.append(f"live: {whole / 60:.1f} minutes were let pass: {seldom}.")
        return [("minute", size) for size in SHARES]

    async def _use(self, rounds: int) -> int:
        """Use every page so often; how many events that were.

        After each round the clock moves a moment: what is asked for in bursts, such as a zoom, is taken in by a timer.
        """
        sent = 0
        for _ in range(rounds):
            sent += sum([await hands.round() for hands in self.hands])
            self._passed += await self._elapse(MOMENT, 1.0)
        return sent

    async def _elapse(self, seconds: float, most: float) -> float:
        """Let seconds pass on the server's clock, in at most so many of ours; how many have passed."""
        answer = await self._ask("POST", "elapse", seconds=seconds, most=most)
        return answer["seconds"]

    async def _window(self, kind: str, rounds: int) -> None:
        began, passed = time.monotonic(), self._passed
        if kind == "event":
            amount: float = await self._use(rounds)
            await self._rest()
            seconds = time.monotonic() - began + self._passed - passed
        else:
            seconds = await self._elapse(rounds * self._part, 2 * PATIENCE)
            await self._rest()
            amount = seconds / 60
        self.pages.append(page_of(self.sessions))
        before, now = self._left_behind, await self._ask("POST", "turn", kind=kind)
        heap = None if now["heap"][0] is None else (now["heap"][0] - before["heap"][1]) / rounds
        objects = now["objects"][0] - before["objects"][1]
        self.windows.append(Window(kind, rounds, amount, seconds, heap, objects))
        self._left_behind = now

    async def _rest(self) -> None:
        """Until what the last events began has mostly ended: edits that are taken in a moment later, and work."""
        await asyncio.to_thread(self.visitors.settle)
        for session in self.sessions:
            await session.roundtrip()  # what was sent meanwhile has come

    async def _trace(self) -> dict[str, list[str]]:
        """The application's lines that fill what grows, by its holder."""
        await self._ask("POST", "trace", on=1)
        try:
            await self._use(TRACED)
            await self._elapse(2 * TRACED * self._part, PATIENCE / 3)
            await self._rest()
        finally:
            traced = await self._ask("POST", "trace", on=0)
        return traced["lines"]

    # -- what it means ----------------------------------------------------------------------------------------------

    def _judge(self, final: bool = False) -> dict[str, Judgement]:
        """What is thought of events, and of time, as far as there were any."""
        holders = [*holders_in(self.answer["holders"]), *on_page.holders(self.pages)]
        judged = {}
        for kind in ("minute", "event"):
            places = [place for place, window in enumerate(self.windows) if window.kind == kind]
            if not places:
                continue
            windows = [self.windows[place] for place in places]
            memory = [[window.heap] for window in windows if window.heap is not None]
            sizes = [window.rounds for window in windows]
            part = [in_windows(holder, places) for holder in holders]
            # everything is used in every round: what gains less often is what comes and goes
            part = [holder for holder in part if sum(holder.gains) >= SELDOM * sum(sizes)]
            judged[kind] = decision.decide(part, sizes, memory, final=final)
        if "event" in judged and "minute" in judged:
            judged["event"] = self._without_time(judged["event"], judged["minute"])
        return judged

    def _without_time(self, by_event: Judgement, by_time: Judgement) -> Judgement:
        """The judgement on events, without what gained no more in them than it does in as much time."""
        passed = sum(window.seconds for window in self.windows if window.kind == "minute")
        used = sum(window.seconds for window in self.windows if window.kind == "event")
        pace = {f.holder.holder: sum(f.holder.gains) / max(1e-3, passed) for f in by_time.of("leak")}

        def by_itself(finding: Finding) -> bool:
            expected = pace.get(finding.holder.holder, 0.0) * used
            return finding.kind == "leak" and 0 < sum(finding.holder.gains) <= 1.5 * expected + 2

        findings = tuple(finding for finding in by_event.findings if not by_itself(finding))
        left = any(finding.kind == "leak" for finding in findings)
        clean = by_event.verdict == "leak" and not left and findings != by_event.findings
        return dataclasses.replace(by_event, findings=findings, verdict="clean" if clean else by_event.verdict)

    def _more(self, judged: dict[str, Judgement]) -> list[tuple[str, int]]:
        """One more window for each kind that leaves a doubt; none when there have been enough."""
        wanted = [kind for kind, judgement in judged.items() if self._in_doubt(kind, judgement)]
        return [(kind, self._next(kind, judged[kind])) for kind in wanted][: MOST - len(self.windows)]

    def _in_doubt(self, kind: str, judgement: Judgement) -> bool:
        if judgement.verdict == "undecided":
            return True
        leaks = judgement.of("leak")
        enough = sum(window.rounds for window in self.windows if window.kind == kind) >= MANY
        return (
            judgement.verdict == "leak" and bool(leaks) and not enough and all(f.holder.may_be_bounded for f in leaks)
        )

    def _next(self, kind: str, judgement: Judgement) -> int:
        had = [window.rounds for window in self.windows if window.kind == kind]
        return _even(max(round(1.5 * had[-1]), MANY - sum(had) if judgement.verdict == "leak" else 0))

    def _growth(self, kind: str, judgement: Judgement, lines: dict[str, list[str]]) -> Growth:
        windows = [window for window in self.windows if window.kind == kind]
        seen = Evidence(", ".join(self.visitors.server.apps), sizes=[window.rounds for window in windows], lines=lines)
        seen.files, seen.values, seen.traced = self.answer["files"], self.answer["values"], TRACED
        seen.memory = [[window.heap] for window in windows if window.heap is not None]
        return Growth.of(kind, windows, seen, judgement)

    def _told(self, growths: dict[str, Growth]) -> Live:
        verdicts = {growth.verdict for growth in growths.values()}
        nothing = Growth("skipped", 0.0, {"bytes": 0.0, "objects": 0.0}, ())
        by_event, by_time = (growths.get(kind, nothing) for kind in ("event", "minute"))
        return Live(
            next((v for v in ("grows", "undecided", "steady") if v in verdicts), "skipped"),
            events=round(by_event.amount),
            minutes=by_time.amount,
            per_event=by_event.rates,
            per_minute=by_time.rates,
            culprits=(*by_event.culprits, *by_time.culprits),
        )

    async def _ask(self, method: str, name: str, **query) -> dict:
        return await asyncio.to_thread(self.probe.ask, method, name, patience=60, **query)

    def _left(self) -> float:
        return self.deadline - time.monotonic()


def _even(rounds: int) -> int:
    """There and back: at the end of a window the page shows what it showed at the begin."""
    return rounds + rounds % 2


def in_windows(holder: Holder, places: list[int]) -> Holder:
    """The same holder with what it gained in some of the windows."""

    def those(gains: Sequence) -> list:
        return [gains[place] for place in places if place < len(gains)]

    whole = sum(max(0, gain) for gain in holder.gains)
    part = dataclasses.replace(holder, items=those(holder.items), edges=those(holder.edges), below=those(holder.below))
    gained = sum(max(0, gain) for gain in those(holder.gains))
    return dataclasses.replace(part, bytes=round(holder.bytes * gained / whole) if whole else 0)


class Hands:
    """What one user does on a page, again and again: every widget there and back, so that values come again."""

    def __init__(self, session: Session, interact: Callable[[Session], Awaitable]):
        self.session, self.interact = session, interact
        self._first: dict[str, object] = {}  # the value of a widget, by its id, before it was touched
        self._rounds = 0

    async def round(self) -> int:
        """Use everything once; how many events that were. One whole way of a scenario counts as one."""
        back = self._rounds % 2 == 1
        self._rounds += 1
        with contextlib.suppress(ErrorReply):  # the application raised: its log tells
            if self.interact is not use_widgets:
                await self.interact(self.session)
                return 1
        return await self._touch(back)

    async def _touch(self, back: bool) -> int:
        done = 0
        for widget in varied(self.session.widgets)[:MOST_WIDGETS]:
            first = self._first.setdefault(widget.id, widget.value)
            with contextlib.suppress(SessionLabError):
                if widget.id not in self.session.models:
                    continue  # the one before took it away
                if widget.kind != "button" and first is not None and widget.value != first:
                    await self.session.set(widget, value=first)
                    done += 1
                else:
                    done += await self.session.interact(widget)
        for figure in figures(self.session):
            with contextlib.suppress(SessionLabError, TypeError, KeyError):
                done += await point_at(self.session, figure, back)
        await self.session.roundtrip()
        return done


@dataclass(frozen=True)
class Growth:
    """What events, or time, added: ``amount`` of them, the ``rates`` per event or minute, and who holds it."""

    verdict: str
    amount: float
    rates: dict[str, float]
    culprits: tuple[Culprit, ...]

    @classmethod
    def of(cls, kind: str, windows: list[Window], seen: Evidence, judgement: Judgement) -> Growth:
        amount = sum(window.amount for window in windows)
        verdict = {"leak": "grows", "undecided": "undecided"}.get(judgement.verdict, "steady")
        if verdict != "grows" or amount <= 0:
            return cls(verdict, amount, {"bytes": 0.0, "objects": 0.0}, ())
        part = sum(seen.sizes) / amount  # rounds in an event or a minute
        culprits = on_page.merged([_for_each(kind, culprit, part) for culprit in culprits_of(seen, judgement)])
        heap = decision.slope_of([rate for rates in seen.memory for rate in rates]).middle * part
        rates = {
            "bytes": max(heap, sum(culprit.bytes for culprit in culprits)),
            "objects": max(0.0, sum(window.objects for window in windows) / amount),
        }
        return cls(verdict, amount, rates, culprits)


def _for_each(kind: str, culprit: Culprit, part: float) -> Culprit:
    """A culprit with what it gains per event or minute, and with what to do about that."""
    advice = culprit.advice if culprit.owner == "native" else advice_while_open(culprit.holder, kind)
    return dataclasses.replace(culprit, grows_by=culprit.grows_by * part, bytes=culprit.bytes * part, advice=advice)
