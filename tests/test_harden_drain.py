"""drain: after SIGTERM users are told, work is finished, every hook runs, and the process ends in time with code 0."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from importlib import import_module

import psutil
import pytest
from machine import alive
from tornado.httpclient import AsyncHTTPClient

from sessionlab import serve, visit
from sessionlab.client.browser import open_tab
from sessionlab.disturb import Outage
from sessionlab.errors import ConnectionRefused, VisitFailed
from sessionlab.harden import drain
from sessionlab.loopback import free_port, port_is_free

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

GRACE = 3.5
APP = """
    import asyncio, os, threading, time
    import panel as pn
    from sessionlab.harden import block_expiration, on_session_destroyed

    async def late(context, say, name):
        await asyncio.sleep(0.1)
        say(f"LATE {name}")

    def say(text, write=os.write):  # in one piece, since several processes write into one log
        write(1, f"{text}\\n".encode())

    def forever():
        while True:
            time.sleep(0.05)

    async def work(event):
        with block_expiration(linger=0):
            await asyncio.sleep(1.5)
            result.object = "done"

    async def work_for_ever(event):
        with block_expiration(linger=0):
            await asyncio.Event().wait()

    def hold_the_loop(event):
        say("HOLDING")
        try:
            forever()
        except Exception:
            say("SWALLOWED")

    name = pn.state.session_args.get("name", [b"nobody"])[0].decode()
    pn.state.on_session_destroyed(lambda context, say=say, name=name: say(f"HOOK {name}"))
    on_session_destroyed(late, say, name)
    result = pn.pane.HTML("working")
    thread = lambda event: threading.Thread(target=time.sleep, args=[30], name="stubborn").start()
    callbacks = dict(work=work, ever=work_for_ever, hold=hold_the_loop, thread=thread)
    pn.Column(result, *(pn.widgets.Button(name=name, on_click=fn) for name, fn in callbacks.items())).servable()
"""
PATIENCE = 20.0  # seconds for the interpreter's own end, on a machine that does other things as well
PLUGIN = f"""
import logging
logging.getLogger("sessionlab.harden").setLevel("INFO")
from sessionlab.harden import drain
drain(grace={GRACE}, notice=0.4, hooks=1.5, message="<Restart> soon")
ROUTES = []
"""


@pytest.fixture(scope="module")
def draining(app):
    """`draining("--num-procs", "2")` serves the application with a plugin that drains."""
    path = app(APP)
    path.with_name("plugin_that_drains.py").write_text(PLUGIN)

    def start(*panel_args: str, how: str = "--plugins", **options):
        what = "plugin_that_drains" if how == "--plugins" else str(path.with_name("plugin_that_drains.py"))
        options = dict(lifetime=600, check=300, env={"PYTHONPATH": str(path.parent)}) | options
        return serve(path, panel_args=[how, what, *panel_args], **options)

    start.path = path
    return start


@pytest.fixture
async def contexts():
    async with contextlib.AsyncExitStack() as stack:
        yield stack


async def ended(server) -> float:
    """Wait until the server has ended, with exit code 0 and nothing left; the seconds that the draining took."""
    assert await asyncio.to_thread(server.wait, PATIENCE) == 0
    assert port_is_free(server.port)
    return float(server.log.wait_for(r"drained in [\d.]+ s").split()[-2])


def hooks(server, kind: str = "HOOK") -> list[str]:
    """The names of the sessions whose hooks have run, without the one that serve() opened."""
    names = sorted(line.split()[1] for line in server.log.matching(f"^{kind} "))
    names.remove("nobody")
    return names


async def get(url: str) -> tuple[int, str]:
    answer = await AsyncHTTPClient().fetch(url, raise_error=False)
    return answer.code, answer.body.decode()


@pytest.mark.slow("a server drains for seconds, and then ends")
async def test_everybody_is_told_and_every_hook_runs(draining, contexts):
    with draining() as server, Outage(server) as outage:
        assert (await get(f"{server.url}?name=loading"))[0] == 200
        clara = await contexts.enter_async_context(open_tab(f"{server.url}?name=clara"))
        async with visit(f"{server.url}?name=gone"):
            pass
        anna, ben, deaf = [
            await visit(f"{url}?name={name}")
            for url, name in ((server.url, "anna"), (server.url, "ben"), (outage.url, "deaf"))
        ]
        outage.stall()  # hears nothing, and answers nothing when its websocket is closed
        server.kill()
        for session in (anna, ben):
            await session.wait_for("Div", text='<div role="alert">&lt;Restart&gt; soon</div>')
            assert session.value("Div", "styles")["position"] == "fixed"
        status, page = await get(f"{server.url}?name=late")
        assert status == 503 and "The server is restarting" in page
        assert not anna.closed  # the notice has not passed
        assert 0.4 <= await ended(server) < GRACE - 1.5
        await anna.wait_for(lambda session: session.closed and ben.closed)
        assert (anna.closed.code, ben.closed.code, clara.sockets[0].code) == (1001, 1001, 1001)
        await clara.page.get_by_role("alert").wait_for()
        assert await clara.page.get_by_role("alert").inner_text() == "<Restart> soon"
        await deaf.drop()
        assert hooks(server) == hooks(server, "LATE") == ["anna", "ben", "clara", "deaf", "gone", "loading"]
        assert not server.log.matching("Traceback|ERROR|never awaited")


@pytest.mark.slow("a server drains for seconds, and then ends")
async def test_work_is_finished_and_seen_while_others_are_sent_away(draining):
    with draining() as server:
        async with visit(f"{server.url}?name=anna") as anna, visit(f"{server.url}?name=ben") as ben:
            await ben.close()
            await anna.click("work")  # for 1.5 s
            server.kill()
            await anna.wait_for("Div", text=bool)
            await ben.reconnect()  # the notice has not passed
            await ben.wait_for(lambda session: session.closed, timeout=2)
            with pytest.raises(ConnectionRefused, match="503"):
                await ben.reconnect()
            await asyncio.to_thread(server.log.wait_for, "HOOK ben")
            assert not server.log.matching("HOOK anna")
            await anna.wait_for("HTML", text=lambda text: "done" in text)
            assert 1 < await ended(server) < GRACE - 1.5
        assert hooks(server) == hooks(server, "LATE") == ["anna", "ben"]


@pytest.mark.slow("a server drains for seconds, and then ends")
async def test_nothing_that_never_ends_holds_it_up(draining):
    """A task that never ends, a callback that holds the event loop, and a thread that outlives it."""
    with draining() as server:
        async with visit(f"{server.url}?name=anna") as anna, visit(f"{server.url}?name=ben") as ben:
            await anna.click("ever")
            await anna.click("thread")
            held = asyncio.create_task(ben.click("hold"))
            await asyncio.to_thread(server.log.wait_for, "HOLDING")
            server.kill()
            assert GRACE - 1.5 < await ended(server) < GRACE
            with pytest.raises(VisitFailed):
                await held
        assert hooks(server) == hooks(server, "LATE") == ["anna", "ben"]
        assert server.log.matching("GraceIsOver") and not server.log.matching("SWALLOWED")
        assert server.log.matching("still busy: stubborn")


async def test_from_the_served_script_it_works_too_and_an_endless_hook_shows_in_the_exit_code(app):
    endless = """
    if name == "endless":
        on_session_destroyed(lambda context, event: event.wait(), asyncio.Event())
    """
    plugin = PLUGIN.replace(f"grace={GRACE}", "grace=2").replace("hooks=1.5", "hooks=1")
    with serve(app(APP + endless + plugin.replace("\n", "\n    ")), lifetime=600, check=300) as server:
        async with visit(f"{server.url}?name=anna"), visit(f"{server.url}?name=endless"):
            server.kill()
            assert await asyncio.to_thread(server.wait, PATIENCE) == 1
        assert hooks(server) == hooks(server, "LATE") == ["anna", "endless"]
        assert server.log.matching("2 s after SIGTERM still busy: a callback or a hook")


@pytest.mark.slow("a server drains for seconds, and then ends")
@pytest.mark.parametrize(
    ("how", "number"), [("--plugins", signal.SIGTERM), ("--plugins", signal.SIGKILL), ("--setup", signal.SIGTERM)]
)
async def test_no_process_of_several_is_left(draining, how, number):
    """Only the parent gets the signal. With --setup it dies of it, as stock; its children notice."""
    with draining("--num-procs", "2", how=how) as server:
        family = [server.pid, *(child.pid for child in psutil.Process(server.pid).children())]
        assert len(family) == 3
        async with contextlib.AsyncExitStack() as stack:
            for i in range(4):
                await stack.enter_async_context(visit(f"{server.url}?name=v{i}"))
            server.kill(number)
            code = await asyncio.to_thread(server.wait, PATIENCE)
            assert code == (0 if (how, number) == ("--plugins", signal.SIGTERM) else -number)
            async with asyncio.timeout(PATIENCE):
                while True:
                    if not any(map(alive, family)):
                        break
                    await asyncio.sleep(0.05)
        assert port_is_free(server.port)
        # Without sticky routing some visitors have a session in each process; every one has its hooks.
        assert set(hooks(server)) == {"v0", "v1", "v2", "v3"}
        assert hooks(server) == hooks(server, "LATE")


@pytest.mark.slow("a server drains for seconds, and then ends")
async def test_as_process_1_of_a_container(draining, tmp_path):
    """In a PID namespace, where the kernel ignores signals for which process 1 has no handler."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not shutil.which("unshare") or await (await execute(*unshare, "true")).wait():
        pytest.skip("this machine lets nobody make a PID namespace")
    port = free_port()
    program = "import os, sys; print('PID', os.getpid(), flush=True); os.execv(p := sys.executable, [p, *sys.argv[1:]])"
    panel = ["-m", "panel", "serve", str(draining.path), "--plugins", "plugin_that_drains", "--port", str(port)]
    command = [*unshare, sys.executable, "-c", program, *panel, "--num-procs", "2"]
    container = await execute(*command, env={"PYTHONPATH": str(draining.path.parent)})
    try:
        session = await opened(f"http://127.0.0.1:{port}/app?name=anna")
        (init,) = psutil.Process(container.pid).children()
        family = [init.pid, *(child.pid for child in init.children())]
        assert len(family) == 3
        init.terminate()
        output = (await asyncio.wait_for(container.communicate(), PATIENCE))[0].decode().splitlines()
        assert container.returncode == 0 and not any(map(alive, family))
        assert "PID 1" in output and "HOOK anna" in output and "LATE anna" in output
        await session.close()
    finally:
        await end(container)


async def test_pn_serve_drains(app):
    main = app(
        """
        import sys
        import panel as pn
        from sessionlab.harden import drain

        drain(grace=4, notice=0.1, hooks=1)
        pn.serve({"app": sys.argv[1]}, port=int(sys.argv[2]), address="127.0.0.1", show=False)
        print("AFTERWARDS", flush=True)
        """
    )
    port = free_port()
    process = await execute(sys.executable, str(main), str(app(APP)), str(port))
    try:
        session = await opened(f"http://127.0.0.1:{port}/app?name=anna")
        process.terminate()
        output = (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode().splitlines()
        assert process.returncode == 0
        assert "HOOK anna" in output and "AFTERWARDS" in output and "LATE anna" in output
        await session.close()
    finally:
        await end(process)


async def execute(*command: str, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


async def end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def opened(url: str):
    """A session on a server that may still be starting, for which it has as long as `serve` gives it."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await visit(url)
            except VisitFailed:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(grace=-1), "grace is a number of seconds"),
        (dict(notice=float("nan")), "notice is a number of seconds"),
        (dict(grace=5, notice=3, hooks=3), "do not fit into grace"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong, says):
    before = signal.getsignal(signal.SIGTERM)  # other tests may have put a handler there
    with pytest.raises(ValueError, match=says):
        drain(**wrong)
    assert not hasattr(import_module("sessionlab.harden.draining")._drainer, "plan")
    assert signal.getsignal(signal.SIGTERM) is before
