"""Room `serve`: real servers, clear errors, and nothing left behind however the lab ends."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from machine import alive, children

from sessionlab import _guard, serve, serving, visit
from sessionlab.child import Child
from sessionlab.errors import (
    AppFailed,
    AppNotFound,
    InvalidOption,
    PortTaken,
    ServerGone,
    ServerNotReady,
    UnknownOption,
)
from sessionlab.loopback import port_is_free

pytestmark = pytest.mark.server


@pytest.fixture
def nothing_left():
    """The test starts no process that outlives it."""
    before = children()
    yield
    deadline = time.monotonic() + 2
    while (left := children() - before) and time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            psutil.wait_procs(list(map(psutil.Process, left)), timeout=0.1)
    assert not left


def wait_until(condition, seconds=20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as page:
        return page.read().decode()


@pytest.fixture(scope="module")
def running(app):
    with serve(app(), lifetime=2, check=0.5, token_expiration=60) as server:
        yield server


def test_a_served_app_answers_on_loopback_only(running):
    assert "<title>" in get(running.url)
    addresses = {c.laddr.ip for p in running.processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


def test_options_reach_the_server(running):
    command = " ".join(psutil.Process(running.pid).cmdline())
    assert "--unused-session-lifetime 2000 --check-unused-sessions 500 --session-token-expiration 60" in command
    running.read_log()
    assert running.log.matching("Unused sessions last for 2000 milliseconds")


def test_the_application_does_not_see_the_token_of_the_lab(app, nothing_left, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SESSIONLAB")]:
        monkeypatch.delenv(name)  # what the whole run of tests is told is no secret
    source = """
        import os, panel as pn
        print('SEEN', [name for name in os.environ if name.startswith('SESSIONLAB')])
        pn.Row().servable()
    """
    with serve(app(source)) as server:
        server.read_log()
        assert server.log.matching("SEEN") == ["SEEN []"]


def test_restart_keeps_the_address(app, nothing_left):
    with serve(app()) as server:
        url, pid = server.url, server.pid
        server.restart()
        assert (server.url, alive(pid)) == (url, False)
        assert "<title>" in get(url)


def test_a_killed_server_says_how_it_ended(app, nothing_left):
    with serve(app()) as server:
        server.kill(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        assert not server.alive and port_is_free(server.port)
        with pytest.raises(ServerGone, match="has ended already"):
            server.kill()


def test_a_signal_to_what_is_gone_says_so_before_its_guard_does(app, nothing_left, monkeypatch):
    with serve(app()) as server:
        server.kill(signal.SIGKILL)
        server.wait()
        with monkeypatch.context() as patch:
            patch.setattr(Child, "alive", True)  # as in the moment before its guard has told
            with pytest.raises(ServerGone, match="has ended already"):
                server.kill()


def test_what_was_killed_a_moment_ago_is_started_again(app, nothing_left):
    with serve(app()) as server:
        pid = server.pid
        server.kill(signal.SIGKILL)
        while psutil.pid_exists(pid):  # its guard may not have said so yet
            pass
        with pytest.raises(ServerGone, match="has ended already"):
            server.kill()
        server.restart()
        assert server.alive and "<title>" in get(server.url)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("folder/main.py", "import panel as pn\npn.Row('x').servable()"),
        (
            "note.ipynb",
            json.dumps(
                {
                    "cells": [
                        {
                            "cell_type": "code",
                            "execution_count": None,
                            "id": "a",
                            "metadata": {},
                            "outputs": [],
                            "source": ["import panel as pn\n", "pn.Row('x').servable()"],
                        }
                    ],
                    "metadata": {},
                    "nbformat": 4,
                    "nbformat_minor": 5,
                }
            ),
        ),
    ],
)
def test_directories_and_notebooks_are_applications(app, name, source, nothing_left):
    path = app(source, name)
    target = path.parent if name.endswith("main.py") else path
    with serve(target) as server:
        assert server.url.endswith("/" + target.stem)
        assert "<title>" in get(server.url)


@pytest.mark.parametrize("framework", ["panel", "bokeh"])
@pytest.mark.parametrize("function", ["panels_way", "bokehs_way"])
def test_a_function_of_a_module_is_an_application(app, monkeypatch, framework, function, nothing_left):
    source = """
        import panel as pn
        from bokeh.models import Div

        def panels_way():
            return pn.Row("hello")

        def bokehs_way(doc):
            doc.add_root(Div(text="hello"))
    """
    monkeypatch.chdir(app(source, "pages.py").parent)
    with serve(f"pages:{function}", framework=framework) as server:
        assert "<title>" in get(server.url)


def test_several_applications_share_a_server(app, nothing_left):
    with serve([app("import panel as pn\npn.Row(1).servable()", f"{n}.py") for n in ("one", "two")]) as server:
        assert sorted(server.urls) == ["/one", "/two"]
        assert server.url.endswith("/one")


def test_no_such_app_names_the_nearest(app, nothing_left):
    path = app()
    with pytest.raises(AppNotFound, match=r"did you mean '.*app.py'"):
        serve(path.with_name("ap.py"))


def test_an_app_that_raises_shows_its_own_traceback(app, nothing_left):
    with pytest.raises(AppFailed, match="ZeroDivisionError") as caught:
        serve(app("import panel as pn\nvalue = 1 / 0\n"))
    assert "value = 1 / 0" in str(caught.value) and "What to do" in str(caught.value)


def test_a_syntax_error_is_an_error_of_the_app(app, nothing_left):
    with pytest.raises(AppFailed, match="was never closed"):
        serve(app("import panel as pn\npn.Row(\n"))


def test_an_app_that_exits_does_not_hang_the_lab(app, nothing_left):
    with pytest.raises(AppFailed):
        serve(app("import os\nprint('leaving', flush=True)\nos._exit(3)\n"))


def test_an_app_that_hangs_shows_the_line_it_hangs_on(app, nothing_left):
    path = app("import threading\nthreading.Event().wait()\n", "hangs.py")
    with pytest.raises(ServerNotReady, match=r'hangs.py", line 2'):
        serve(path, ready_timeout=8)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"lifetme": 3}, UnknownOption, "did you mean 'lifetime'"),
        ({"unused_session_lifetime_milliseconds": 3}, UnknownOption, "did you mean 'lifetime'"),
        ({"colour": 3}, UnknownOption, "the options are command, lifetime, check"),
        ({"panel_args": ["--unused-sesion-lifetime", "3"]}, UnknownOption, "--unused-sesion-lifetime"),
        ({"lifetime": 0}, InvalidOption, "--unused-session-lifetime"),
        ({"check": "15s"}, InvalidOption, "give seconds"),
        ({"token_expiration": -1}, InvalidOption, "--session-token-expiration"),
        ({"framework": "dash"}, InvalidOption, "use one of panel, bokeh, program, fastapi"),
    ],
)
def test_options_that_cannot_be_used_are_refused(app, options, error, text, nothing_left):
    with pytest.raises(error) as caught:
        serve(app(), **options)
    assert text in str(caught.value)


def test_a_taken_port_is_said_to_be_taken(app, nothing_left):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken, match="is taken"):
            serve(app(), port=taken.getsockname()[1])


LAB = """
import os, signal, sys, time
from sessionlab import serve
server = serve(sys.argv[1], panel_args=sys.argv[2:])
print(*[p.pid for p in server.processes], flush=True)
{end}
"""
ENDINGS = {
    "kill -9": "os.kill(os.getpid(), signal.SIGKILL)",
    "crash of the interpreter": "import ctypes; ctypes.string_at(0)",
    "os._exit": "os._exit(0)",
    "exception": "raise SystemExit('no')",
    "kill of the process group": "os.killpg(0, signal.SIGKILL)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("ending", ENDINGS)
def test_no_server_outlives_the_lab(app, ending):
    spawning = app(
        "import panel as pn, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "pn.Row(1).servable()",
    )
    code = LAB.format(end=ENDINGS[ending])
    lab = subprocess.run(
        [sys.executable, "-c", code, str(spawning)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
    )
    pids = [int(pid) for pid in lab.stdout.split()]
    assert len(pids) == 2, "the server and the child that its application started"
    deadline = time.monotonic() + 2
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        os.sched_yield()
    assert not left


@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG and /proc")
def test_a_killed_guard_takes_the_server_with_it(app, nothing_left):
    server = serve(app())
    os.kill(server._child.guard.pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.wait_procs([psutil.Process(server.pid)], timeout=2)
    assert not alive(server.pid)
    server.stop()


def test_a_forgotten_server_ends_with_its_last_reference(app, nothing_left):
    server = serve(app())
    pid = server.pid
    del server
    assert not alive(pid)


# -- beside other code --------------------------------------------------------------------------------------------


async def test_neither_start_nor_end_of_serving_holds_up_the_event_loop(app, nothing_left):
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    async with serving(app(), lifetime=2) as server:
        assert turns > 10
        assert "<title>" in await asyncio.to_thread(get, server.url)
        until_now = turns
    assert not server.alive and turns > until_now + 3
    counting.cancel()


async def test_serving_says_what_serve_says_about_bad_input(nothing_left):
    with pytest.raises(AppNotFound):
        async with serving("nowhere.py"):
            pass


async def test_who_gives_up_waiting_for_serving_leaves_nothing_behind(app, nothing_left):
    async def start():
        async with serving(app()):
            raise AssertionError("it was to be cancelled before")

    before = children()
    starting = asyncio.create_task(start())
    await asyncio.to_thread(wait_until, lambda: children() != before)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    # The start itself cannot be broken off; the server ends when it is there.
    await asyncio.to_thread(wait_until, lambda: children() == before)


async def test_time_passes_at_once_and_a_session_ends_of_age(app):
    with serve(app(), lifetime=600, check=60) as server:
        async with visit(server.url):
            pass
        began = time.monotonic()
        server.pass_time(500)
        assert len(server.probe.sessions()) == 1, "it is not old enough"
        server.pass_time(200)
        assert not server.probe.sessions() and time.monotonic() - began < 60


async def test_a_dump_holds_what_is_known_and_a_wrong_place_is_said_at_once(app, tmp_path):
    with serve(app(), elements=True) as server:
        async with visit(server.url, cookies={"login": "hidden-value"}) as session:
            server.dump(tmp_path / "dump.json.gz")
        with pytest.raises(OSError):
            server.dump(tmp_path / "nowhere" / "dump.json.gz")
    with pytest.raises(ServerGone):
        server.dump(tmp_path / "late.json.gz")
    assert not (tmp_path / "late.json.gz").exists()
    text = gzip.decompress((tmp_path / "dump.json.gz").read_bytes()).decode()
    dump = json.loads(text)
    assert [row["id"] for row in dump["sessions"]] == [session.id]
    assert dump["hello"]["versions"]["bokeh"] and dump["census"]["sessions"] == 1
    assert "connected" in str(dump["timeline"]) and dump["elements"] and any("Bokeh" in line for line in dump["log"])
    assert "hidden-value" not in text and server._token not in text


@pytest.mark.skipif(sys.platform == "win32", reason="no signals are ignored there")
def test_ctrl_c_stops_a_server_whoever_started_the_lab_with_it_ignored(app):
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"from sessionlab import serve\nwith serve({str(app())!r}, preload=False) as server:\n"
        "    server.kill(signal.SIGINT); print(server.wait(30))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stdout + done.stderr


def test_a_process_that_has_gone_is_not_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    known = psutil.Process(ended.pid)
    ended.wait()
    assert not _guard.is_alive(known) and _guard.is_alive(psutil.Process())
