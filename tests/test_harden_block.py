"""`block_expiration`: what it promises, over thousands of random interleavings, and on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import selectors
import threading
from dataclasses import dataclass, field

import panel as pn
import pytest
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.io.doc import patch_curdoc
from bokeh.server.session import ServerSession
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from in_process import InProcess
from panel.io.application import Application
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from sessionlab import serve, visit
from sessionlab.harden import block_expiration

pytestmark = pytest.mark.usefixtures("preloaded")

LIFETIME = 3  # seconds of virtual time that an unused session is kept; it is looked for every second
LINGERS = (0, 2.5, 5.5)  # never a whole number: two things do not happen at the same moment


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    now = 0.0

    def __init__(self):
        super().__init__(selectors.DefaultSelector())
        wait = self._selector.select

        def jump(timeout=None):
            assert timeout is not None, "nothing left that could happen"
            self.now += timeout
            return wait(0)

        self._selector.select = jump

    def time(self):
        return self.now


@dataclass(eq=False)
class Stock:
    """Panel's own block, in the best light: it always finds the session that it was made in."""

    doc: object
    linger: float = 0
    thread: bool = False

    def enter(self):
        with set_curdoc(self.doc):
            self.block = pn.state.block_expiration()
            self.block.__enter__()

    def leave(self, *exc):
        with set_curdoc(self.doc):
            self.block.__exit__(*exc)


@dataclass(eq=False)
class Hardened:
    """Ours: made in the session; entered and left there, or in a thread that knows nothing of the session."""

    doc: object
    linger: float = 0
    thread: bool = False

    def enter(self):
        with set_curdoc(self.doc):
            self.block = block_expiration(self.linger)
            if not self.thread:
                self.block.__enter__()
        if self.thread:
            in_thread(self.block.__enter__)

    def leave(self, *exc):
        in_thread(self.block.__exit__, *exc) if self.thread else self.block.__exit__(*exc)


def in_thread(fn, *args):
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    thread.join()


PROMISES = ("is quiet", "protects", "lingers", "blocks only its session", "leaves nothing behind")


@dataclass
class World:
    """One application of a server, its visitors, and the blocks that their sessions are in."""

    kind: type
    promises: tuple
    sessions: dict[int, ServerSession] = field(default_factory=dict)  # by visitor
    docs: dict[int, Document] = field(default_factory=dict)
    connections: dict[int, object] = field(default_factory=dict)
    blocks: dict[tuple, object] = field(default_factory=dict)  # (visitor, number) -> block
    open: set[tuple] = field(default_factory=set)  # those that were entered while the session was there
    lingering: list[tuple] = field(default_factory=list)  # (visitor, until)
    killed: set[int] = field(default_factory=set)

    def check(self, promise, kept, what=""):
        assert kept or promise not in self.promises, f"does not hold: {promise} {what}"

    async def play(self, visitors):
        self.loop = asyncio.get_running_loop()
        self.server = InProcess(Application(), io_loop=IOLoop.current())
        events = sorted((event for i, v in enumerate(visitors) for event in v.events(i)), key=lambda event: event[0])
        for when, name, *args in events:
            await self.wait_until(when)
            with self.watched():
                await getattr(self, name)(*args)
            await self.look()
        await self.wait_until(events[-1][0] + max(LINGERS) + LIFETIME + 2)
        self.check("leaves nothing behind", not self.server._sessions, f"({len(self.server._sessions)} sessions)")

    async def arrive(self, i):
        self.sessions[i] = await self.server.create_session_if_needed(f"visitor-{i}")
        self.docs[i] = self.sessions[i].document
        await self.connect(i)

    async def connect(self, i):
        if i not in self.killed and not self.sessions[i].destroyed:
            self.connections[i] = object()
            self.sessions[i].subscribe(self.connections[i])

    async def disconnect(self, i):
        if i in self.connections:
            self.sessions[i].unsubscribe(self.connections.pop(i))

    async def kill(self, i):
        """The session is ended as an administrator would, without regard to its blocks."""
        if not self.sessions[i].destroyed:
            self.connections.pop(i, None)
            self.killed.add(i)
            session = self.server._sessions.pop(self.sessions[i].id)
            del self.server._session_contexts[session.id]
            session.destroy()

    async def enter(self, i, number, linger, thread):
        self.blocks[i, number] = self.kind(self.docs[i], linger, thread)
        if not self.sessions[i].destroyed:
            self.open.add((i, number))
        self.blocks[i, number].enter()

    async def leave(self, i, number, fails):
        block = self.blocks[i, number]
        if (i, number) in self.open:
            self.open.remove((i, number))
            self.lingering.append((i, self.loop.now + block.linger))
        error = OSError("the work failed") if fails else None
        block.leave(type(error) if fails else None, error, None)

    @contextlib.contextmanager
    def watched(self):
        try:
            yield
        except Exception as error:
            self.check("is quiet", False, f"({error!r})")

    async def wait_until(self, when):
        """Let time pass, with a look for unused sessions every second, as the server does."""
        while self.loop.now < when:
            await asyncio.sleep(1)
            await self.server._cleanup_sessions(LIFETIME * 1000)
            await self.look()

    async def look(self):
        await asyncio.sleep(0.0001)  # what is due now, is done first
        self.lingering = [(i, until) for i, until in self.lingering if until > self.loop.now]
        for i, session in self.sessions.items():
            opened, waiting = sum(j == i for j, _ in self.open), sum(j == i for j, _ in self.lingering)
            if i not in self.killed:
                self.check("protects", not (opened and session.destroyed))
                self.check("lingers", not (waiting and session.destroyed))
            if not session.destroyed:
                count = session.expiration_blocked_count
                self.check("blocks only its session", count == opened + waiting, f"({count}, not {opened}+{waiting})")


@dataclass
class Visitor:
    """When, in seconds, a visitor does what."""

    arrives: int
    stays: int
    comes_back_after: int | None
    killed_after: int | None
    blocks: list[tuple]  # starts so long after the arrival, lasts, linger, in a thread, ends with an error

    def events(self, i):
        yield self.arrives, "arrive", i
        for number, (start, lasts, linger, thread, fails) in enumerate(self.blocks):
            yield self.arrives + start, "enter", i, number, linger, thread
            yield self.arrives + start + lasts, "leave", i, number, fails
        yield self.arrives + self.stays, "disconnect", i
        if self.comes_back_after is not None:
            yield self.arrives + self.stays + self.comes_back_after, "connect", i
            yield self.arrives + self.stays + self.comes_back_after + 2, "disconnect", i
        if self.killed_after is not None:
            yield self.arrives + self.killed_after, "kill", i


seconds = st.integers(0, 10)
block = st.tuples(seconds, seconds, st.sampled_from(LINGERS), st.booleans(), st.booleans())
visitor = st.builds(
    Visitor,
    arrives=seconds,
    stays=seconds,
    comes_back_after=st.none() | seconds,
    killed_after=st.none() | st.none() | seconds,
    blocks=st.lists(block, max_size=3),
)
visitors = st.lists(visitor, min_size=2, max_size=4)


@pytest.fixture
def no_collector():
    """Bokeh and Panel collect garbage after every session, 30 ms each; nothing here depends on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda *args: 0)
        yield
    gc.collect()


@contextlib.contextmanager
def virtual_time():
    """A loop with a clock of its own, which Bokeh's sessions go by too."""
    loop = VirtualLoop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bokeh.server.session.current_time", lambda: loop.now * 1000)
        try:
            yield loop
        finally:
            loop.close()


def falsify(kind, promises, cases, phases=tuple(Phase)):
    """Try up to ``cases`` random interleavings; AssertionError for the first one that breaks a promise."""
    tried = blocks = 0

    @settings(max_examples=cases, deadline=None, database=None, phases=phases, report_multiple_bugs=False)
    @given(visitors)
    def interleaving(visitors):
        nonlocal tried, blocks
        tried, blocks = tried + 1, blocks + sum(len(v.blocks) for v in visitors)
        with virtual_time() as loop:
            loop.run_until_complete(World(kind, promises).play(visitors))

    try:
        interleaving()
    finally:
        print(f"{kind.__name__}: {tried} interleavings with {blocks} blocks tried for: {', '.join(promises)}")
    return tried


@pytest.mark.slow("thousands of orders of steps")
def test_no_interleaving_breaks_a_promise(no_collector):
    assert falsify(Hardened, PROMISES, cases=2000) >= 2000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of blocks that were cut off
@pytest.mark.parametrize("promise", [p for p in PROMISES if p != "lingers"])
def test_the_stock_block_breaks_each_of_them(no_collector, promise):
    """Panel has no linger; every other promise is broken by an interleaving that hypothesis finds."""
    with pytest.raises(AssertionError, match=f"does not hold: {promise}") as broken:
        falsify(Stock, (promise,), cases=2000, phases=[Phase.generate])  # the shortest would take a minute
    print(*broken.value.__notes__, sep="\n")


@pytest.fixture
def play(no_collector):
    """`play(scenario)` runs ``await scenario(server)`` in virtual time, with an application that nobody visits yet."""

    def run(scenario):
        async def main():
            await scenario(InProcess(Application(), io_loop=IOLoop.current()))

        with virtual_time() as loop:
            loop.run_until_complete(main())

    return run


def blocks(*sessions):
    return [session.expiration_blocked_count for session in sessions]


async def tick():
    await asyncio.sleep(0.001)


def test_decorates_functions_of_every_kind(play):
    async def scenario(server):
        session = await server.create_session_if_needed("a")
        seen = []

        @block_expiration(linger=0)
        def plain(x):
            seen.append(blocks(session))
            return x

        @block_expiration(linger=0)
        async def coroutine(x):
            await tick()
            seen.append(blocks(session))
            return x

        @block_expiration(linger=0)
        def generator(x):
            seen.append(blocks(session))
            seen.append((yield x))

        @block_expiration(linger=0)
        async def async_generator(x):
            try:
                yield x
                yield x
            finally:
                seen.append(blocks(session))

        with set_curdoc(session.document):
            assert plain(1) == 1 and plain.__name__ == "plain"
            await tick()
            assert await coroutine(2) == 2
            await tick()
            steps = generator(3)
            assert next(steps) == 3
            steps.close()
            await tick()
            items = async_generator(4)
            assert await anext(items) == 4
            await items.aclose()
            await tick()
        assert seen == [[1], [1], [1], [1]] and blocks(session) == [0]

    play(scenario)


def test_async_with_and_a_cancelled_task(play):
    async def scenario(server):
        session = await server.create_session_if_needed("a")

        async def work():
            async with block_expiration(linger=0):
                await asyncio.sleep(100)

        with set_curdoc(session.document):
            task = asyncio.create_task(work())
        await tick()
        assert blocks(session) == [1]
        task.cancel()
        await tick()
        assert blocks(session) == [0]

    play(scenario)


def test_one_block_shared_by_two_sessions(play):
    """A module of helpers may hold one block for everybody: each exit is that of its own entry."""
    shared = block_expiration(linger=0)

    async def scenario(server):
        a, b = [await server.create_session_if_needed(name) for name in "ab"]

        async def work(session, seconds):
            with set_curdoc(session.document), shared:
                await asyncio.sleep(seconds)

        first = asyncio.create_task(work(a, 1))
        second = asyncio.create_task(work(b, 2))
        await tick()
        assert blocks(a, b) == [1, 1]
        await first
        await tick()
        assert blocks(a, b) == [0, 1]
        await second
        await tick()
        assert blocks(a, b) == [0, 0]

    play(scenario)


def test_a_module_that_a_session_imports_is_not_bound_to_that_session(play, tmp_path, monkeypatch):
    (tmp_path / "jobs_for_all.py").write_text(
        "from sessionlab.harden import block_expiration\n\n@block_expiration(linger=0)\ndef job(then):\n    then()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def scenario(server):
        first, second = [await server.create_session_if_needed(name) for name in "ab"]
        with set_curdoc(first.document):
            from jobs_for_all import job
        with set_curdoc(second.document):
            job(lambda: seen.append(blocks(first, second)))
        await tick()
        leave = threading.Event()
        nobody = threading.Thread(target=job, args=[leave.wait])
        nobody.start()
        await tick()
        seen.append(blocks(first, second))
        leave.set()
        nobody.join()
        assert seen == [[0, 1], [0, 0]]

    seen = []
    play(scenario)


def test_takes_a_session_or_its_context(play):
    async def scenario(server):
        a, b = [await server.create_session_if_needed(name) for name in "ab"]
        given = block_expiration(linger=0, session=a), block_expiration(0, session=b.document.session_context)
        with set_curdoc(b.document), given[0], given[1]:
            assert blocks(a, b) == [1, 1]
        await tick()
        assert blocks(a, b) == [0, 0]

    play(scenario)


def test_the_session_that_enters_comes_before_the_one_in_which_it_was_made(play):
    async def scenario(server):
        a, b = [await server.create_session_if_needed(name) for name in "ab"]
        with set_curdoc(a.document):
            made_in_a = block_expiration(linger=0)
        with set_curdoc(b.document), made_in_a:
            assert blocks(a, b) == [0, 1]

    play(scenario)


def test_a_thread_leaves_the_counting_to_the_loop(play):
    """Bokeh's counter is not made for threads: asyncio's debug mode refuses what is not safe from another one."""

    async def scenario(server):
        asyncio.get_running_loop().set_debug(True)
        session = await server.create_session_if_needed("a")
        block = block_expiration(linger=0, session=session)
        in_thread(block.__enter__)
        assert blocks(session) == [0]
        await tick()
        assert blocks(session) == [1]
        failed = []
        in_thread(lambda: block.__exit__() or failed.append(False))
        await tick()
        assert blocks(session) == [0] and failed == [False]

    play(scenario)


def test_a_session_that_is_gone_stays_gone(play):
    async def scenario(server):
        gone, other = [await server.create_session_if_needed(name) for name in "ab"]
        before = block_expiration(session=gone)
        server._session_contexts.pop(gone.id)
        server._sessions.pop(gone.id).destroy()
        with set_curdoc(other.document), before, block_expiration(session=gone):
            assert blocks(gone, other) == [0, 0]

    play(scenario)


def test_while_the_script_is_built_what_remains_is_the_linger(play):
    async def scenario(_):
        def script(doc):
            with set_curdoc(doc), block_expiration(linger=5):
                pass

        server = InProcess(Application(FunctionHandler(script)), io_loop=IOLoop.current())
        session = await server.create_session_if_needed("a")
        await tick()
        assert blocks(session) == [1]
        await asyncio.sleep(5)
        assert blocks(session) == [0]

    play(scenario)


def test_outside_a_session_it_does_nothing():
    ran = []
    with block_expiration():
        block_expiration()(ran.append)(1)
    in_thread(block_expiration()(ran.append), 2)
    assert ran == [1, 2]


def test_a_thread_without_a_session_does_not_take_the_one_that_is_being_served(play):
    """Bokeh's curdoc is one for the whole process: a thread sees the session of whoever is served just then."""

    async def scenario(server):
        session = await server.create_session_if_needed("a")
        seen = []

        def work():
            seen.append(pn.state.curdoc)
            with block_expiration(linger=0):
                pass

        with patch_curdoc(session.document):
            in_thread(work)
            await tick()
            assert seen == [session.document]  # this is what the stock function would have gone by
            assert blocks(session) == [0]
            with block_expiration(linger=0):
                assert blocks(session) == [1]

    play(scenario)


def test_somebody_who_counts_down_too_often_does_no_harm(play, caplog):
    async def scenario(server):
        session = await server.create_session_if_needed("a")
        with set_curdoc(session.document), block_expiration(linger=0):
            pn.state.unblock_expiration()
        await tick()
        assert blocks(session) == [0]

    play(scenario)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    "arguments, error",
    [((-1,), ValueError), ((float("nan"),), ValueError), ((float("inf"),), ValueError), (("60",), TypeError)],
)
def test_a_linger_that_is_no_number_of_seconds(arguments, error):
    with pytest.raises(error, match="linger is a number of seconds"):
        block_expiration(*arguments)


def test_a_decorator_without_parentheses_says_what_to_write():
    with pytest.raises(TypeError, match=r"write @block_expiration\(\)"):

        @block_expiration
        def work(): ...


def test_a_session_that_is_none():
    with pytest.raises(TypeError, match="ServerSession or a session context"):
        block_expiration(session="a")


# -- on a real server ------------------------------------------------------------------------------------------

APP = """
    import asyncio, contextlib, os, threading, time
    import panel as pn
    from sessionlab.harden import block_expiration

    name = pn.state.session_args.get("name", [b"-"])[0].decode()
    result = pn.widgets.TextInput(name="result")
    kind = pn.state.session_args.get("kind", [b"none"])[0].decode()
    finish = os.path.join(os.environ["FINISH"], name)  # the work is done when there is a file of this name

    def block():
        kinds = {"hardened": lambda: block_expiration(linger=2), "stock": pn.state.block_expiration}
        return kinds.get(kind, contextlib.nullcontext)()

    def say(what, name=name, write=os.write):  # in one piece, whatever other threads say
        write(1, f"{what} {name}\\n".encode())

    def working():
        say("WORKING")
        return not os.path.exists(finish)

    def done():
        result.value = "done"
        say("DONE")

    def sync(event):  # on a thread of Panel's, because of --num-threads
        with block():
            while working():
                time.sleep(0.02)
            done()

    async def coroutine(event):
        with block():
            while working():
                await asyncio.sleep(0.02)
            done()

    def thread(event):
        own = block()

        def work():
            with own:
                while working():
                    time.sleep(0.02)
                done()

        threading.Thread(target=work).start()

    pn.state.on_session_destroyed(lambda context, say=say: say("GONE"))
    buttons = [pn.widgets.Button(name=f.__name__, on_click=f) for f in (sync, coroutine, thread)]
    pn.Column(result, *buttons).servable()
"""


@pytest.fixture(scope="module")
def finish(tmp_path_factory):
    return tmp_path_factory.mktemp("finish")


@pytest.fixture(scope="module")
def server(app, finish):
    with serve(
        app(APP), lifetime=0.4, check=0.1, panel_args=["--num-threads", "4"], env={"FINISH": str(finish)}
    ) as server:
        yield server


async def logged(server, pattern):
    return await asyncio.to_thread(server.log.wait_for, pattern, 20)


async def start_and_lose(server, name, how, protection):
    """A visitor who starts long work and loses the connection.

    The address names the protection: with --num-threads, a click may be handled before the change of a widget that
    came before it.
    """
    session = await visit(f"{server.url}?name={name}&kind={protection}")
    await session.click(how)
    await logged(server, f"WORKING {name}$")
    await session.drop()
    return session


async def an_unused_session_is_gone(server, name):
    async with visit(f"{server.url}?name={name}"):
        pass
    await logged(server, f"GONE {name}$")


@pytest.mark.server
@pytest.mark.parametrize("protection, shown", [("hardened", "done"), ("stock", "")])
@pytest.mark.parametrize("how", ["sync", "coroutine"])
async def test_a_late_reconnect(server, finish, how, protection, shown):
    """The work ends while nobody is connected; the visitor is back when an unused session would have gone."""
    name = f"{how}-{protection}"
    session = await start_and_lose(server, name, how, protection)
    (finish / name).touch()
    await logged(server, f"DONE {name}$")
    await an_unused_session_is_gone(server, f"{name}-control")
    await session.reconnect()
    assert session.value("result") == shown
    await session.close()
    await logged(server, f"GONE {name}$")


@pytest.mark.server
async def test_in_a_thread(server, finish):
    session = await start_and_lose(server, "thread", "thread", "hardened")
    await an_unused_session_is_gone(server, "thread-control")
    (finish / "thread").touch()
    await session.reconnect()
    await session.wait_for("result", value="done")
    await session.close()
    await logged(server, "GONE thread$")


@pytest.mark.server
async def test_two_visitors_at_once(server, finish):
    """Both have lost their connection; the later one works on when the earlier one's work ends."""

    async def overlap(protection):
        for name in ("first", "second"):
            await start_and_lose(server, f"{name}-{protection}", "coroutine", protection)
        (finish / f"first-{protection}").touch()
        await logged(server, f"DONE first-{protection}")
        await an_unused_session_is_gone(server, f"overlap-{protection}")

    await overlap("hardened")
    assert not server.log.matching("GONE second-hardened")
    (finish / "second-hardened").touch()
    for name in ("first", "second"):
        await logged(server, f"GONE {name}-hardened")
    await overlap("stock")
    await logged(server, "GONE second-stock")  # in the middle of its work: the first visitor's exit took its protection
