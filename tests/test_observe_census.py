"""What the probe counts in a served process, and what it refuses, on real servers."""

from __future__ import annotations

import asyncio
import http.client
import urllib.request

import psutil
import pytest

from sessionlab import serve, visit
from sessionlab.agent.containers import Containers
from sessionlab.errors import NoProbe, ProbeSilent, ServerGone, SessionLabError, SessionNotFound
from sessionlab.probe.client import TOKEN_HEADER, Probe

pytestmark = pytest.mark.server

LEAKY = """
    import asyncio, functools, gc, os, sys, threading, time
    import panel as pn

    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import store

    pn.extension()

    class Thing:
        pass

    class Knot:
        def __init__(self):
            self.me = self

    thing, kept = Thing(), []
    here = pn.state.curdoc.session_context

    def leak(event):
        store.BLOBS.append(b"x" * 1000)
        store.TINY[len(store.TINY)] = "an atom"
        store.remember(len(store.TINY))
        kept.append(Thing())
        store.WEAK[kept[-1]] = "a value"

    def make_garbage(event):
        gc.disable()  # what Python would collect by itself, at a moment of its own
        for _ in range(500):
            Knot()

    def start_thread(event):
        threading.Thread(target=store.STOP.wait, name="planted", daemon=True).start()

    def start_task(event):
        store.TASKS.update(asyncio.get_running_loop().create_task(asyncio.sleep(60)) for _ in range(5))

    def stop(event):
        store.STOP.set()
        for task in store.TASKS:
            task.cancel()
        store.TASKS.clear()

    def tick(event):
        pn.state.add_periodic_callback(lambda: None, period=5000)

    actions = dict(
        leak=leak, garbage=make_garbage, tidy=lambda event: gc.enable(),
        thread=start_thread, task=start_task, stop=stop, tick=tick,
        block=lambda event: here.session.block_expiration(),
        unblock=lambda event: here.session.unblock_expiration(),
        sleep=lambda event: time.sleep(1.5),
        die=lambda event: os._exit(3),
    )
    pn.Column(*(pn.widgets.Button(name=name, on_click=action) for name, action in actions.items())).servable()
"""
STORE = """
    import functools, threading, weakref

    BLOBS, TINY, TASKS, STOP, WEAK = [], {}, set(), threading.Event(), weakref.WeakKeyDictionary()

    @functools.lru_cache(maxsize=None)
    def remember(x):
        return x
"""


@pytest.fixture(scope="module")
def path(app):
    path = app(LEAKY)
    (path.parent / "store.py").write_text("\n".join(line[4:] for line in STORE.splitlines()))
    return path


# glibc counts as in use what each thread keeps of freed memory for itself: some kilobytes that come and go.
NO_THREAD_CACHES = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


@pytest.fixture(scope="module")
def server(path):
    with serve(path, lifetime=100, env=NO_THREAD_CACHES) as server:
        yield server


@pytest.fixture
def probe(server):
    server.probe.discard_unused()
    return server.probe


# -- counting ---------------------------------------------------------------------------------------------


async def test_sessions_are_counted_by_state(server, probe):
    before = probe.census(settle=True)
    assert (before.sessions, before.session_objects) == (0, 0) and before.tasks <= 2
    await asyncio.to_thread(lambda: urllib.request.urlopen(server.url).close())
    async with visit(server.url) as session:
        gone = await visit(server.url)
        await gone.close()
        rows = {s.id: s for s in probe.sessions()}
        assert sorted(s.state for s in rows.values()) == ["connected", "disconnected", "new"]
        mine = rows[session.id]
        assert (mine.connections, mine.unused, mine.blocks) == (1, None, 0)
        assert rows[gone.id].state == "disconnected" and 0 <= rows[gone.id].unused < rows[gone.id].age
        assert mine.models > 10 and mine.app == "/app"
        census = probe.census(settle=True)
    growth = census.minus(before)
    assert (growth["sessions"], growth["connected"], growth["disconnected"], growth["created"]) == (3, 1, 2, 3)
    assert growth["documents"] == growth["session_objects"] == growth["app_modules"] == 3
    assert growth["app.Thing"] == 3 and census.app_objects["app.Thing"] == 3
    assert growth["models"] >= 3 * 12 and growth["parameterized"] >= 3 * 12


async def test_nothing_is_left_of_sessions_that_were_discarded(server, probe):
    async def ten_sessions() -> dict[str, int]:
        before = probe.census(settle=True)
        for _ in range(10):
            async with visit(server.url):
                pass
        assert probe.discard_unused().discarded == 10
        return probe.census(settle=True).minus(before)

    await ten_sessions()  # the first sessions fill caches
    # The lab's own events must not look like a leak: kept in a list they would be 5 blocks a session. A cache or
    # a table of a library may still grow in one window, but not in each of three; and not all three counts at once.
    windows = [await ten_sessions() for _ in range(3)]
    for growth in windows:
        assert growth["created"] == growth["destroyed"] == 10
        exact = {"sessions", "documents", "models", "parameterized", "session_objects", "app_modules", "app.Thing"}
        assert not exact & growth.keys(), growth
    least = {name: min(growth.get(name, 0) for growth in windows) for name in ("objects", "blocks", "heap")}
    print("WINDOWS", windows)
    assert least["objects"] < 10 and least["blocks"] < 40 and least["heap"] < 2_000, windows


async def test_what_is_frozen_is_still_counted(path):
    kinds = ("documents", "models", "session_objects", "app_modules", "app_objects")
    with serve(path, lifetime=100) as server:
        async with visit(server.url) as stays:
            await stays.roundtrip()
            before = server.probe.census(settle=True, types=True)
            for _ in range(20):  # what the page has begun may not have ended yet
                earlier, before = before, server.probe.census(settle=True, types=True)
                if abs(before.objects - earlier.objects) < 10:
                    break
            server.probe.freeze()
            after = server.probe.census(settle=True, types=True)
            assert [getattr(after, kind) for kind in kinds] == [getattr(before, kind) for kind in kinds]
            assert sum(after.types.values()) == after.objects
            assert abs(after.objects - before.objects) < 100
            async with visit(server.url):
                await stays.click("leak")  # one Thing more, held by what has been frozen
                await stays.click("garbage")
                await stays.click("tidy")
                await stays.roundtrip()
                growth = server.probe.census(settle=True).minus(after)
                assert (growth["documents"], growth["app.Thing"]) == (1, 2)
            assert "app.Knot" not in growth
            server.probe.discard_unused()
            later = server.probe.census(settle=True, types=True).minus(after)
            assert (later.get("documents"), later["app.Thing"]) == (None, 1)


async def test_garbage_is_told_from_what_lives(path):
    """On a server of its own: Panel collects garbage by itself, seconds after a session has ended."""
    with serve(path, lifetime=100) as server:
        async with visit(server.url) as session:
            probe = server.probe
            probe.collect()
            await session.click("garbage")
            with_garbage = probe.census()
            assert with_garbage.unreachable is None and not with_garbage.settled
            assert with_garbage.bokeh_counters["Documents"] == with_garbage.documents
            settled = probe.census(settle=True)
            assert settled.settled
            assert "app.Knot" in with_garbage.app_objects and settled.unreachable > 0
            assert "app.Knot" not in settled.app_objects
            await session.click("garbage")
            assert probe.collect().unreachable > 0
            assert "app.Knot" not in probe.census().app_objects
            await session.click("tidy")


async def test_threads_tasks_and_periodic_callbacks(server, probe):
    async with visit(server.url) as session:
        before = probe.census(settle=True)
        for name in ("thread", "task", "tick"):
            await session.click(name)
        growth = probe.census(settle=True).minus(before)
        # Panel itself may have a task or two: it collects garbage some seconds after a session has ended.
        assert (growth["threads"], growth["periodic"]) == (1, 1) and 3 <= growth["tasks"] <= 7
        await session.click("stop")
        growth = probe.census(settle=True).minus(before)
        assert "threads" not in growth and abs(growth.get("tasks", 0)) <= 2


async def test_growing_containers_are_named(server, probe):
    async with visit(server.url) as session:
        await session.click("leak")
        assert probe.mark_containers() > 1000
        assert not {c.owner for c in probe.containers(settle=False)} & {"store.BLOBS", "store.TINY"}
        for _ in range(3):
            await session.click("leak")
        found = {c.owner: c for c in probe.containers()}
        assert {"store.BLOBS", "store.TINY", "store.remember"} <= found.keys()
        assert not [owner for owner in found if "Weak" in owner], "it keeps nothing"
        assert found["store.BLOBS"].grew == found["store.TINY"].grew == found["store.remember"].grew == 3
        assert (found["store.BLOBS"].kind, found["store.BLOBS"].item) == ("list", "bytes")
        again = {c.owner: c.key for c in probe.containers(settle=False)}
        assert again["store.BLOBS"] == found["store.BLOBS"].key


def test_a_bounded_container_says_its_limit():
    import collections

    class Owner:
        pass

    owner = Owner()
    owner.last = collections.deque([1], maxlen=5)
    containers = Containers()
    containers.mark()
    owner.last.append(2)
    (row,) = [row for row in containers.grown() if row["kind"] == "collections.deque" and row["limit"] == 5]
    assert (row["grew"], row["length"]) == (1, 2)
    assert row["owner"].endswith("Owner.last")


def test_a_census_shows_itself(probe):
    census = probe.census(settle=True, types=True)
    assert "sessions" in str(census) and "<table>" in census._repr_html_()
    assert census.to_dict()["rss"] == census.rss > 10_000_000
    assert census.types["builtins.function"] > 1000
    process = psutil.Process(census.pids[0])
    assert abs(process.memory_info().rss - census.rss) < 20_000_000
    assert census.heap is None or 1_000_000 < census.heap < census.rss


# -- acting -----------------------------------------------------------------------------------------------


async def test_only_unused_and_unblocked_sessions_are_discarded(server, probe):
    async with visit(server.url) as staying:
        blocked = await visit(server.url)
        await blocked.click("block")
        await blocked.close()
        assert probe.discard_unused(idle=60).discarded == 0
        result = probe.discard_unused()
        assert [s.id for s in result.kept] == [blocked.id]
        assert result.kept[0].blocks == 1
        assert {s.id for s in probe.sessions()} == {staying.id, blocked.id}
        assert probe.census().blocked == 1
        assert not server.log.matching("came back to life"), "it was tried although it is blocked"
        await blocked.reconnect()
        await blocked.click("unblock")
        await blocked.close()
        assert probe.discard_unused().discarded == 1
        assert {s.id for s in probe.sessions()} == {staying.id}


async def test_end_closes_the_websocket_and_discards(server, probe):
    async with visit(server.url) as session:
        result = await asyncio.to_thread(probe.end, session.id)
        assert (result.discarded, result.kept) == (1, ())
        assert session.closed is not None
    assert probe.sessions() == ()
    with pytest.raises(SessionNotFound):
        probe.end(session.id)


async def test_end_cuts_off_a_visitor_who_does_not_say_goodbye(server, probe):
    async with visit(server.url) as session:
        assert probe.end(session.id).discarded == 1  # this call holds up the loop in which the visitor lives


# -- who may ask ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "question", "status"),
    [
        ({}, "hello", 403),
        ({TOKEN_HEADER: "wrong"}, "hello", 403),
        ({TOKEN_HEADER: "right", "X-Forwarded-For": "127.0.0.1"}, "hello", 404),
        ({TOKEN_HEADER: "right", "X-Real-Ip": "127.0.0.1"}, "hello", 404),
        ({TOKEN_HEADER: "right"}, "nothing", 404),
        ({TOKEN_HEADER: "right"}, "timeline?since=x", 400),
        ({TOKEN_HEADER: "right"}, "hello", 200),
    ],
)
def test_only_the_lab_is_answered(server, headers, question, status):
    headers = {k: server.probe._token if v == "right" else v for k, v in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", f"/_sessionlab/{question}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == status
    assert (b'"pid"' in body) == (status == 200)


def test_the_lab_leaves_no_line_in_the_log(server, probe):
    before = len(server.log.lines)
    probe.census()
    with pytest.raises(NoProbe):
        Probe(server.origin, "wrong").census()
    assert len(server.log.lines) == before


def test_hello_says_who_answers(server):
    hello = server.probe.hello()
    assert hello["pid"] == server.pid and hello["workers"] == [server.pid]
    assert hello["apps"] == ["/app"] and hello["versions"]["bokeh"]
    assert hello["errors"] == [], "an observer failed"


# -- when it goes wrong -----------------------------------------------------------------------------------


async def test_a_busy_server_is_silent_and_answers_later(server):
    impatient = Probe(server.origin, server.probe._token, timeout=0.4)
    async with visit(server.url) as session:
        sleeping = asyncio.create_task(session.click("sleep"))
        await asyncio.sleep(0.2)  # until the callback runs
        with pytest.raises(ProbeSilent, match="did not answer within"):
            await asyncio.to_thread(impatient.census)
        await sleeping
        assert server.probe.census().connected == 1


async def test_a_server_that_dies_while_it_is_asked(path):
    with serve(path) as server:
        session = await visit(server.url)
        following = asyncio.create_task(asyncio.to_thread(lambda: list(server.probe.follow(timeout=20))))
        await session.roundtrip()
        dying = asyncio.create_task(session.click("die"))
        with pytest.raises(ServerGone):
            await following
        with pytest.raises(SessionLabError):
            await dying
        with pytest.raises(ServerGone, match="is gone"):
            server.probe.census()
        assert server.wait() == 3
    assert not server.processes


def test_a_server_without_a_probe():
    import http.server
    import threading

    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        other.RequestHandlerClass.log_message = lambda *args: None
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with pytest.raises(NoProbe, match="no probe"):
                Probe(f"http://127.0.0.1:{other.server_port}", "token").census()
        finally:
            other.shutdown()
            thread.join()


async def test_every_worker_of_num_procs_is_asked(app):
    with serve(app(), panel_args=["--num-procs", "3", "--prefix", "/some/where"]) as server:
        async with visit(server.url):
            census = server.probe.census()
            assert len(set(census.pids)) == 3 and census.unseen == ()
            assert census.connected == 1
            assert census.children == 0, "counted in the parent of the workers"
            assert len(server.probe.sessions()) == census.created, "built once, or in both processes"
            # a websocket that another worker takes than the page's may look like one that comes back
            (event,) = [e for e in server.probe.timeline().events if e["event"] in ("connected", "reconnected")]
            assert event["pid"] in census.pids
            psutil.Process(event["pid"]).suspend()
            someone = Probe(server.origin, server.probe._token, timeout=5.0)
            census = someone.census()
            assert census.unseen == (event["pid"],) and "1 of 3 workers" in str(census)
            psutil.Process(event["pid"]).resume()
