"""Servers that are forked: they serve and end like any other, start cold where they must, and outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import warnings

import psutil
import pytest

from sessionlab import preload, serve, visit

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="servers are forked on Linux only"),
]
PLAIN = "from bokeh.io import curdoc\nfrom bokeh.models import Div\n\ncurdoc().add_root(Div(text='plain'))\n"


def is_forked(server) -> bool:
    return isinstance(server._child.guard, preload.Guard)


async def test_a_forked_server_serves_tells_and_ends_like_any_other(app):
    with serve(app(), preload=True, env={"MINE": "1"}, lifetime=60) as server:
        assert is_forked(server) and server.pid != os.getpid()
        async with visit(server.url) as session:
            await session.click("add one")
            await session.wait_for("count", value=1)
        assert any("WebSocket connection opened" in line for line in server.read_log())
        server.kill(signal.SIGTERM)
        assert server.wait() == 0
    assert not psutil.pid_exists(server.pid)


def test_it_has_its_own_variables_and_folder(app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = """
        import os
        import panel as pn

        print("told:", os.environ["MINE"], os.getcwd(), __name__.startswith("bokeh_app_"), flush=True)
        pn.panel("a page").servable()
    """
    for number in ("1", "2"):
        with serve(app(source), preload=True, env={"MINE": number}) as server:
            assert is_forked(server)
            server.log.wait_for(f"told: {number} {tmp_path} True")


def test_a_server_that_fails_is_told_as_ever(app):
    from sessionlab.errors import AppFailed, UnknownOption

    with pytest.raises(AppFailed, match="ZeroDivisionError"):
        serve(app("1 / 0"), preload=True)
    with pytest.raises(UnknownOption, match="no-such-flag"):
        serve(app(), preload=True, panel_args=["--no-such-flag"])


def test_a_restart_and_a_hard_end(app):
    with serve(app(), preload=True) as server:
        first = server.pid
        server.restart()
        assert is_forked(server) and server.pid != first
        server.kill(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"env": {"PANEL_LOG_LEVEL": "WARNING"}}, None),
        ({"env": {"BOKEH_LOG_LEVEL": "debug"}}, None),
        ({"framework": "bokeh"}, PLAIN),
        ({"panel_args": ["--num-procs", "2"]}, None),
    ],
)
def test_what_cannot_be_forked_starts_cold(app, options, source):
    with serve(app(source) if source else app(), preload=True, **options) as server:
        assert not is_forked(server)


def test_a_broken_fork_server_is_told_once_and_servers_start_cold(app, monkeypatch):
    def fails():
        raise OSError("no more processes")

    monkeypatch.setattr(preload, "_ForkServer", fails)
    monkeypatch.setattr(preload, "_state", {"server": None, "broken": False})
    path = app()
    with pytest.warns(UserWarning, match=r"start cold.*no more processes"), serve(path, preload=True) as server:
        assert not is_forked(server)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with serve(path, preload=True) as server:
            assert not is_forked(server)


def test_a_fork_server_that_died_is_told_and_servers_start_cold(app, monkeypatch):
    state = {"server": None, "broken": False}
    monkeypatch.setattr(preload, "_state", state)
    path = app()
    with serve(path, preload=True) as server:
        forker = psutil.Process(psutil.Process(server._child.guard.pid).ppid())
    forker.kill()
    psutil.wait_procs([forker], timeout=5)
    with pytest.warns(UserWarning, match="start cold"), serve(path, preload=True) as server:
        assert not is_forked(server)


LAB = """
    import sys, psutil
    from sessionlab import serve

    server = serve(sys.argv[1], preload=True)
    guard = psutil.Process(server._child.guard.pid)
    print(server.pid, guard.pid, guard.ppid(), flush=True)
    input()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_outlives_the_lab(app, how):
    lab = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LAB), app()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    processes = [psutil.Process(int(pid)) for pid in lab.stdout.readline().split()]
    if how is None:
        lab.communicate(b"\n")
    else:
        lab.send_signal(how)
        lab.communicate()
    assert len(processes) == 3
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
