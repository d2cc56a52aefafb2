"""`on_session_destroyed`: every hook once, in order, with what it needs, however the session or the server ends."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from collections import Counter
from functools import partial
from pathlib import Path

import panel as pn
import pytest
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from in_process import InProcess
from machine import alive
from panel.io.application import build_single_handler_application
from panel.io.document import _cleanup_doc
from panel.io.session import generate_session
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from sessionlab import serve, visit
from sessionlab.harden import destroy, on_session_destroyed

pytestmark = pytest.mark.usefixtures("preloaded")

APP = """
    import asyncio, os, uuid
    import panel as pn
    from sessionlab.harden import on_session_destroyed, session_locals

    me = uuid.uuid4().hex[:8]
    name = os.environ.get("SLOW", "")

    def say(*words):
        with open(os.environ["JOURNAL"], "a") as journal:
            print(os.getpid(), me, *words, file=journal)

    class Worker:
        def stop(self):
            say("3 stopped the worker,", state)

    def one(context):
        say("1 destroyed:", context.destroyed)

    async def two(context):
        await asyncio.sleep(0.01)
        say("2 after waiting")

    def failing(context):
        raise ValueError("this hook fails")

    on_session_destroyed(one)
    on_session_destroyed(two)
    on_session_destroyed(failing)
    on_session_destroyed(lambda context, worker: worker.stop(), Worker())
    on_session_destroyed(lambda context: say("4", session_locals().kept))

    session_locals().kept = "kept"
    state = "bound after the hooks"
    say("0 open")
    pn.widgets.Button(name="button").servable()
"""


class Journal:
    """What the sessions of an app have written: ``{session: [lines]}``."""

    def __init__(self, path: Path):
        self.path = path
        self.env = {"JOURNAL": str(path)}
        path.touch()

    def sessions(self) -> dict[tuple, list[str]]:
        sessions = {}
        for line in self.path.read_text().splitlines():
            pid, me, what = line.split(" ", 2)
            sessions.setdefault((int(pid), me), []).append(what)
        return sessions

    async def until(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition(self.sessions()):
            assert time.monotonic() < deadline, self.path.read_text()
            await asyncio.sleep(0.05)
        return self.sessions()


def whole(destroyed=True):
    """All that a session of APP writes, in the right order and each line once."""
    return [
        "0 open",
        f"1 destroyed: {destroyed}",
        "2 after waiting",
        "3 stopped the worker, bound after the hooks",
        "4 kept",
    ]


EXPIRED, STOPPED = whole(True), whole(False)  # how the session ended


def gone(processes, seconds=10):
    """Wait until all have ended; those that nobody waits for stay behind as zombies."""
    deadline = time.monotonic() + seconds
    while left := [p.pid for p in processes if alive(p.pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
@pytest.mark.parametrize("framework", ["panel", "bokeh"])
async def test_a_session_that_expires(app, journal, framework):
    path = app(APP)
    with serve(path, framework=framework, lifetime=0.3, check=0.1, env=journal.env) as server:
        async with visit(server.url):
            pass
        sessions = await journal.until(lambda sessions: [len(s) for s in sessions.values()] == [5, 5])
        assert list(sessions.values()) == [EXPIRED, EXPIRED]  # the first was serve()'s own look at the page
        server.read_log()
        assert server.log.matching(rf"hook failing \({re.escape(str(path))}:\d+\) failed")
        assert server.log.matching("ValueError: this hook fails")


@pytest.mark.server
async def test_the_stock_hooks_see_nothing(app, journal):
    """What APP does cannot be done with Panel's own: here is why."""
    source = APP.replace("    on_session_destroyed(", "    pn.state.on_session_destroyed(").replace(", Worker())", ")")
    source = source.replace("lambda context, worker: worker", "lambda context: Worker()")
    with serve(app(source), lifetime=0.3, check=0.1, env=journal.env) as server:
        await asyncio.to_thread(server.log.wait_for, "name 'say' is not defined")
        await asyncio.to_thread(server.log.wait_for, "coroutine 'two' was never awaited")
        server.kill(signal.SIGTERM)
        server.wait()
        assert set(map(tuple, journal.sessions().values())) == {("0 open",)}


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
async def test_sigterm_and_a_restart_then_ctrl_c(app, journal):
    with serve(app(APP), env=journal.env) as server:
        async with visit(server.url):
            server.restart(signal.SIGTERM)
        assert STOPPED in journal.sessions().values()
        async with visit(server.url):
            server.kill(signal.SIGINT)
            assert server.wait() == 0
        sessions = journal.sessions()
        assert [s for s in sessions.values() if s != EXPIRED] == [STOPPED] * 2  # serve() discards its look at the page
        assert len({pid for pid, _ in sessions}) == 2


SLOW = """
    import asyncio, os, time
    import panel as pn
    from sessionlab.harden import on_session_destroyed

    def say(*words):
        print("HOOK", *words, flush=True)

    def slow(context):
        say("slow begins")
        time.sleep(30)
        say("slow ends")

    async def slow_too(context):
        say("waiting begins")
        await asyncio.sleep(30)
        say("waiting ends")

    async def wait_a_little(context):
        say("a little begins")
        await asyncio.sleep(1)
        say("a little ends")

    if pn.state.session_args:  # a visitor's session, not the one that serve() looks at the page with
        for hook in os.environ["HOOKS"].split():
            on_session_destroyed(globals()[hook])
        on_session_destroyed(lambda context: say("last"))
    pn.widgets.Button().servable()
"""


def hooks_of(server):
    server.log.wait_for("^HOOK last$")
    server.log.wait_for_event("exit", timeout=2)  # after what the interpreter says at its exit
    return [line.removeprefix("HOOK ") for line in server.log.matching("^HOOK ")]


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
async def test_ctrl_c_again_interrupts_one_hook_and_the_others_run(app):
    with serve(app(SLOW), env={"HOOKS": "slow slow_too"}) as server:
        async with visit(server.url + "?visitor"):
            server.kill(signal.SIGINT)
            server.log.wait_for("slow begins")
            server.kill(signal.SIGINT)
            server.log.wait_for("waiting begins")
            server.kill(signal.SIGINT)
            server.wait()
        assert hooks_of(server) == ["slow begins", "waiting begins", "last"]
        assert len(server.log.matching(r"hook slow(_too)? \(.*\) was interrupted")) == 2
        assert not server.log.matching("never retrieved|was destroyed but it is pending"), server.log.tail(80)


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
async def test_sigterm_again_interrupts_nothing(app):
    with serve(app(SLOW), env={"HOOKS": "wait_a_little"}) as server:
        async with visit(server.url + "?visitor"):
            server.kill(signal.SIGTERM)
            server.log.wait_for("a little begins")
            server.kill(signal.SIGTERM)
            assert server.wait() == 0
        assert hooks_of(server) == ["a little begins", "a little ends", "last"]
        assert not server.log.matching("Error in server unloaded hook")


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
async def test_sigterm_while_the_hooks_of_an_expired_session_wait(app):
    with serve(app(SLOW), lifetime=0.3, check=0.1, env={"HOOKS": "wait_a_little"}) as server:
        async with visit(server.url + "?visitor"):
            pass
        server.log.wait_for("a little begins")
        server.kill(signal.SIGTERM)
        server.wait()
        assert hooks_of(server) == ["a little begins", "a little ends", "last"]


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_every_process_of_num_procs(app, journal, how):
    """The signal goes to all processes, as from a terminal or a container's init; each ends its own sessions."""
    with serve(app(APP), panel_args=["--num-procs", "2"], env=journal.env) as server:
        await asyncio.gather(*[(await visit(server.url)).roundtrip() for _ in range(8)])
        family = server.processes
        assert len(family) == 3
        for process in family:
            process.send_signal(how)
        await asyncio.to_thread(gone, family)
        ends = Counter(map(tuple, journal.sessions().values()))
        assert set(ends) <= {tuple(EXPIRED), tuple(STOPPED)} and ends[tuple(STOPPED)] >= 8
        assert len({pid for pid, _ in journal.sessions()}) == 2


PROGRAM = """
import sys
import panel as pn
from sessionlab.harden import on_session_destroyed

def app():
    def hook(context, resource=object()):
        print("HOOK ran", flush=True)
    on_session_destroyed(hook)
    return pn.widgets.Button(name="button")

server = pn.serve(app, port=0, address="127.0.0.1", show=False)
print("AFTER", flush=True)
"""


@pytest.mark.slow("a server ends while its hooks wait")
@pytest.mark.server
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT] * 2], ids=str)
async def test_a_program_that_calls_pn_serve(tmp_path, signals):
    """Panel handles no SIGTERM there, and after Ctrl-C it does not stop the server."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        url = re.search(r"http://\S+", (await process.stdout.readline()).decode())[0]
        async with visit(url):
            for number in signals:
                process.send_signal(number)
            async with asyncio.timeout(10):
                output = (await process.stdout.read()).decode()
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert output.split() == ["AFTER", "HOOK", "ran"] and process.returncode == 0


# -- in this process -------------------------------------------------------------------------------------------


class Bench:
    """An application of a script, in this process, without a port."""

    def __init__(self, path):
        self.application = build_single_handler_application(str(path))
        self.application.add(DocumentLifecycleHandler())
        self.server = InProcess(self.application, io_loop=IOLoop.current())

    async def session(self, name="a"):
        return await self.server.create_session_if_needed(name)

    async def discard(self, session):
        session.request_expiration()
        await self.server._cleanup_sessions(10**9)
        assert session.destroyed


@pytest.fixture
def bench(app):
    """`bench(source)`; what the script and its hooks say is in ``panel.state.cache["said"]``."""
    pn.state.cache["said"] = []
    yield lambda source="": Bench(app("import panel as pn\nsaid = pn.state.cache['said']\n" + source))
    del pn.state.cache["said"]


def script_modules():
    return [name for name in sys.modules if name.startswith("bokeh_app_")]


async def until(condition):
    """Let the loop run until there is what we wait for."""
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def test_the_module_is_emptied_after_the_last_hook(bench):
    server, before = bench(), script_modules()
    session = await server.session()
    (name,) = set(script_modules()) - set(before)
    with set_curdoc(session.document):
        may_end = asyncio.Event()

        @on_session_destroyed
        async def hook(context):
            await may_end.wait()

    module = sys.modules[name]
    await server.discard(session)
    await asyncio.sleep(0.01)
    assert module.said == [] and name in sys.modules
    may_end.set()
    await until(lambda: name not in sys.modules)
    assert vars(module) == {}


async def test_the_hooks_of_one_session_do_not_wait_for_another(bench):
    server = bench()
    a, b = await server.session("a"), await server.session("b")
    said = []
    for session, seconds in ((a, 60), (b, 0)):
        with set_curdoc(session.document):

            @on_session_destroyed
            async def hook(context, seconds=seconds):
                await asyncio.sleep(seconds)
                said.append(context.id)

    await server.discard(a)
    await server.discard(b)
    await until(lambda: said == ["b"])


async def test_a_hook_may_register_another(bench):
    server, said = bench(), []
    session = await server.session()
    with set_curdoc(session.document):

        @on_session_destroyed
        async def outer(context):
            on_session_destroyed(lambda context: said.append("inner"))
            said.append("outer")

    destroy._finish_all()
    await until(lambda: said == ["outer", "inner"])


async def test_stopping_the_server_in_a_program_that_goes_on(bench):
    """`server.stop()` under a running event loop: the hooks run in it, once, and a later end runs none again."""
    server, said = bench(), []
    session = await server.session()
    with set_curdoc(session.document):
        on_session_destroyed(lambda context: said.append("ran"))
    server.server.run_unload_hook()
    await until(lambda: said)
    await server.discard(session)
    await asyncio.sleep(0.01)
    assert said == ["ran"]


def test_an_interrupt_that_ended_the_loop_is_not_one_of_the_hooks(bench):
    """asyncio raises Ctrl-C again for each task that waited for the one it hit, when the loop runs the next time."""
    loop, said, kept = asyncio.new_event_loop(), [], []

    async def interrupted():
        raise KeyboardInterrupt

    async def main():
        server = bench()
        session = await server.session()
        kept.extend([server, session])
        with set_curdoc(session.document):

            @on_session_destroyed
            async def hook(context):
                await asyncio.sleep(0.01)
                said.append("ran")

        await asyncio.create_task(interrupted())

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    try:
        destroy._finish_all()
    except KeyboardInterrupt:
        said.append("interrupted")
    finally:
        destroy._seen(task)
        loop.close()
    assert said == ["ran"]


def test_a_session_that_panel_builds_to_warm_up(bench, monkeypatch):
    """`--warm` builds and ends a session before there is a server or an event loop that runs."""
    source = """
from sessionlab.harden import on_session_destroyed

async def hook(context):
    said.append(len(context.id))

on_session_destroyed(hook)
"""
    before = script_modules()
    session = generate_session(bench(source).application)
    monkeypatch.setitem(pn.state._sessions, "/app", session)  # Panel leaves it there, with or without --reuse-sessions
    _cleanup_doc(session.document, destroy=True)
    assert pn.state.cache["said"] == [44] and script_modules() == before


def test_a_warm_session_that_is_kept_for_visitors(bench, monkeypatch):
    """`--reuse-sessions`: Panel calls the hooks of a session and then serves it."""
    session = generate_session(bench().application)
    said = []
    with set_curdoc(session.document):
        on_session_destroyed(lambda context: said.append("ran"))
    monkeypatch.setitem(pn.state._sessions, "/app", session)
    monkeypatch.setattr(pn.config, "reuse_sessions", True)
    _cleanup_doc(session.document, destroy=False)
    assert said == []
    monkeypatch.delitem(pn.state._sessions, "/app")
    _cleanup_doc(session.document, destroy=True)
    assert said == ["ran"]


async def test_failures_are_errors_with_name_and_place(bench, caplog):
    server = bench()
    session = await server.session()

    class Resource:
        def close(self, context):
            raise OSError("cannot close")

    with set_curdoc(session.document):
        on_session_destroyed(Resource().close)
        on_session_destroyed(partial(lambda reason, context: 1 / 0, "reason"))
    await server.discard(session)

    def logged():
        return [record for record in caplog.records if record.name == "sessionlab.harden"]

    await until(lambda: len(logged()) == 2)
    records = logged()
    assert [record.levelname for record in records] == ["ERROR", "ERROR"]
    assert [record.exc_info[0] for record in records] == [OSError, ZeroDivisionError]
    place = re.escape(__file__)
    assert re.search(rf"Resource\.close \({place}:\d+\) failed", records[0].message)
    assert re.search(rf"<lambda> \({place}:\d+\) failed", records[1].message)


async def test_nothing_of_a_session_is_kept(bench):
    server = bench()
    session = await server.session()
    doc, context = weakref.ref(session.document), weakref.ref(session.document.session_context)
    done = []
    with set_curdoc(session.document):

        @on_session_destroyed
        async def hook(context, data=session.document):
            done.append(True)

    await server.discard(session)
    await until(lambda: done)
    await asyncio.sleep(0.01)
    del session, hook
    gc.collect()
    assert doc() is None and context() is None


async def test_what_cannot_be_called_is_refused_at_once(bench):
    server, said = bench(), []
    session = await server.session()
    with set_curdoc(session.document):
        with pytest.raises(ValueError, match=r"fn\(session_context, \*resources\)"):
            on_session_destroyed(lambda: None)
        with pytest.raises(ValueError, match="too many positional arguments"):
            on_session_destroyed(lambda context: None, "a resource")
        append = said.append  # built in
        assert on_session_destroyed(append) is append
    await server.discard(session)
    await until(lambda: said)


def test_outside_a_session():
    with pytest.raises(RuntimeError, match="outside one"):
        on_session_destroyed(lambda context: None)


@pytest.mark.server
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_forked_process_does_not_run_the_hooks_of_its_parent(bench):
    server, ran_in = bench(), []
    session = await server.session()
    with set_curdoc(session.document):
        on_session_destroyed(lambda context: ran_in.append(os.getpid()))
    child = os.fork()
    if child == 0:
        destroy._finish_all()
        os._exit(len(ran_in))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    await server.discard(session)
    await until(lambda: ran_in == [os.getpid()])
