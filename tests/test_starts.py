"""Whatever holds sessions is served: programs, commands, FastAPI, Flask. Nothing is left of what cannot be."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import textwrap

import psutil
import pytest
from hunting import hunt
from machine import alive

from sessionlab import get_page, serve, visit
from sessionlab.client.scenario import Scenario, use_widgets
from sessionlab.errors import InvalidOption, PortTaken, ServerNotReady, SessionLabError
from sessionlab.loopback import HOST, free_port, port_is_free

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="its shells and signals are others"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TWO_PAGES = """
    import panel as pn

    def orders():
        count = pn.widgets.IntInput(name="Count", value=0)

        def add(event):
            count.value += 1

        return pn.Column(pn.widgets.Button(name="Add one", on_click=add), count)

    def stock():
        return pn.Column("# Stock")

    if __name__ == "__main__":
        pn.serve({"orders": orders, "stock": stock}, port=%d, show=%s)
"""
SHOWN = """
    import panel as pn

    pn.Column("# Shown", pn.widgets.IntInput(name="Count", value=0)).show(port=%d)
"""
EMBEDDED = """
    from bokeh.models import Button
    from bokeh.server.server import Server
    from tornado.ioloop import IOLoop
    from tornado.web import RequestHandler

    def page(doc):
        doc.add_root(Button(label="Add one"))

    class Index(RequestHandler):
        def get(self):
            self.write("an index")

    server = Server({"/page": page}, io_loop=IOLoop.current(), extra_patterns=[("/", Index)], port=%d)
    server.start()
    server.io_loop.start()
"""
FLASK = """
    from threading import Thread

    from bokeh.models import Button
    from bokeh.server.server import Server
    from flask import Flask
    from tornado.ioloop import IOLoop

    app = Flask(__name__)

    @app.route("/")
    def index():
        return "a page of Flask's"

    def page(doc):
        doc.add_root(Button(label="Add one"))

    def work():
        server = Server({"/page": page}, io_loop=IOLoop(), port=%d)
        server.start()
        server.io_loop.start()

    Thread(target=work, daemon=True).start()
    app.run(port=%d)
"""
FASTAPI = """
    import panel as pn
    from fastapi import FastAPI
    from panel.io.fastapi import add_application

    api = FastAPI()

    @add_application("/panel", app=api, title="Counter")
    def page():
        count = pn.widgets.IntInput(name="Count", value=0)

        def add(event):
            count.value += 1

        return pn.Column(pn.widgets.Button(name="Add one", on_click=add), count)
"""
PLAIN_FASTAPI = """
    from bokeh.models import Button
    from bokeh_fastapi import BokehFastAPI
    from fastapi import FastAPI

    def page(doc):
        doc.add_root(Button(label="Add one"))

    api = FastAPI()
    BokehFastAPI({"/page": page}, app=api)
"""
UVICORN = (
    FASTAPI
    + """
    if __name__ == "__main__":
        import uvicorn

        uvicorn.run(api, host="0.0.0.0", port=%d)
"""
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the test's own in which its commands run; nothing of a command is left when the test has ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSIONLAB_TEST", str(tmp_path))
    yield tmp_path
    assert not left_of(tmp_path)


def left_of(folder) -> list[psutil.Process]:
    """Processes that were started in this test, by a variable of their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("SESSIONLAB_TEST") == str(folder):
                found.append(process)
    _, left = psutil.wait_procs(found, timeout=3)
    return [process for process in left if alive(process.pid)]


@pytest.fixture
def write(folder):
    def file(name, text, *values):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text % values if values else text))
        return path

    return file


# -- programs -----------------------------------------------------------------------------------------------------


async def add_one(url):
    async with visit(url) as session:
        await session.click("Add one")
        await session.wait_for("Count", value=1)


@pytest.mark.parametrize("show", [False, True])
async def test_a_program_that_serves_is_given_a_port_and_all_its_pages_are_found(write, show):
    port = free_port()
    with serve(write("app.py", TWO_PAGES, port, show), lifetime=3, check=0.5) as server:
        assert list(server.urls) == ["/orders", "/stock"] and server.url == server.urls["/orders"]
        assert server.port != port and port_is_free(port)
        assert str(server.way) == "as a program of its own: app.py:16 calls panel.serve"
        await add_one(server.url)
        assert server.probe.discard_unused().discarded == 1
        assert server.probe.timeline().count("destroyed") == 1
        server.probe.extend("audited")
        settings = server.probe.ask("GET", "settings")
        assert (settings["lifetime"], settings["check"]) == (3, 0.5)
        assert all(c.laddr.ip == HOST for p in server.processes for c in p.net_connections() if c.status == "LISTEN")


@pytest.mark.parametrize(("source", "path"), [(SHOWN, "/"), (EMBEDDED, "/page")], ids=["show", "Server"])
async def test_other_ways_to_serve(write, source, path):
    with serve(write("app.py", source, free_port())) as server:
        assert list(server.urls) == [path] and server.way.framework == "program"
        async with visit(server.url) as session:
            assert session.widgets


async def test_flask_beside_a_server_of_bokeh(write):
    with serve(write("app.py", FLASK, free_port(), free_port())) as server:
        assert list(server.urls) == ["/page"]
        async with visit(server.url) as session:
            await session.click("Add one")


async def test_the_websocket_of_a_foreign_page_stays_refused(write):
    with serve(write("app.py", TWO_PAGES, free_port(), False)) as server:
        with pytest.raises(SessionLabError, match="refused"):
            await visit(server.url, headers={"Origin": "http://elsewhere.example"})
        async with visit(server.url, headers={"Origin": server.origin}):
            pass


async def test_a_program_is_given_its_arguments(write):
    source = "import sys\nMOST = int(sys.argv[1])\n" + textwrap.dedent(TWO_PAGES) % (free_port(), False)
    app = write("app.py", source.replace("IntInput(name=", "IntInput(end=MOST, name="))
    with serve(app, panel_args=["7"]) as server:
        async with visit(server.url) as session:
            assert session.value("Count", "high") == 7
    with pytest.raises(ServerNotReady, match="exit code 1 before"):
        serve(app)


def test_fastapi_is_started_again_on_its_ports(write):
    with serve(write("app.py", PLAIN_FASTAPI)) as server:
        ports, first = (server.url, server.probe.origin), server.pid
        server.restart()
        assert (server.url, server.probe.origin) == ports and server.pid != first
        with server.twin() as twin:
            assert twin.port != server.port and twin.probe.origin != server.probe.origin


def test_a_program_is_started_again_on_its_port(write):
    with serve(write("app.py", TWO_PAGES, free_port(), False)) as server:
        url, first = server.url, server.pid
        server.restart()
        assert server.url == url and server.pid != first
        with server.twin() as twin:
            assert twin.port != server.port and list(twin.urls) == list(server.urls)


# -- commands -----------------------------------------------------------------------------------------------------


async def test_a_script_of_a_shell_starts_it(write):
    write("app.py", TWO_PAGES, free_port(), False)
    script = write("start.sh", f"#!/bin/sh\n{sys.executable} app.py > output.txt\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with serve(command="./start.sh") as server:
        assert list(server.urls) == ["/orders", "/stock"]
        assert str(server.way) == "by a command of its own: ./start.sh"
        await add_one(server.url)
        assert isinstance(server.read_log(), list)  # what the application says is in the script's file
    assert "\x1e" not in script.with_name("output.txt").read_text()


async def test_a_package_is_run(write):
    write("mydash/__init__.py", "")
    write("mydash/__main__.py", TWO_PAGES, free_port(), False)
    with serve(command=[sys.executable, "-m", "mydash"]) as server:
        await add_one(server.url)


@pytest.mark.parametrize(
    "command",
    [
        "uvicorn app:api --port {port}",
        "gunicorn app:api -k uvicorn.workers.UvicornWorker -b 127.0.0.1:{port}",
        "gunicorn app:api -k asgi -b 127.0.0.1:{port}",
    ],
)
async def test_fastapi(write, command):
    write("app.py", FASTAPI)
    with serve(command=command, lifetime=3) as server:
        assert list(server.urls) == ["/panel"]
        await add_one(server.url)
        census = server.probe.census(settle=True)
        assert (census.sessions, census.created) == (1, 1)
        events = [event["event"] for event in server.probe.timeline().events]
        assert events[:2] == ["created", "connected"]


async def test_a_module_of_fastapi_needs_no_command(write):
    with serve(write("folder/app.py", PLAIN_FASTAPI)) as server:
        assert str(server.way) == "by uvicorn: app.py:9 makes the FastAPI 'api'"
        async with visit(server.urls["/page"]) as session:
            await session.click("Add one")


async def test_a_program_that_runs_uvicorn_is_kept_on_loopback(write):
    with serve(write("app.py", UVICORN, free_port())) as server:
        assert server.way.why.endswith("calls uvicorn.run")
        await add_one(server.url)
        addresses = [c.laddr.ip for p in server.processes for c in p.net_connections("tcp") if c.status == "LISTEN"]
        assert addresses and set(addresses) == {HOST}


async def test_time_passes_where_uvicorn_serves(write):
    write("app.py", PLAIN_FASTAPI)
    with serve(command="uvicorn app:api --port {port}", lifetime=60, check=10) as server:
        await get_page(server.url)
        assert len(server.probe.sessions()) == 1
        server.pass_time(100)
        assert not server.probe.sessions()


def test_the_lab_makes_way_for_a_sitecustomize_of_the_environment(write):
    write("site/sitecustomize.py", 'import os\nos.environ["OURS"] = "was here"\n')
    write("app.py", "import os\nprint(os.environ['OURS'])\n" + textwrap.dedent(TWO_PAGES) % (free_port(), False))
    with serve("app.py", env={"PYTHONPATH": "site"}) as server:
        assert "was here" in server.read_log()


# -- what cannot be served ----------------------------------------------------------------------------------------

THINKS = "import threading\nprint('thinking', flush=True)\nthreading.Event().wait()\n"
WANTS = "import argparse\np = argparse.ArgumentParser()\np.add_argument('file')\np.parse_args()\n"
OTHER = "import http.server\nhttp.server.ThreadingHTTPServer(('127.0.0.1', 0), None).serve_forever()\n"
BAD = {
    "ends at once": ("x = 1\n", "exit code 0 before it had opened a server", "wrote nothing"),
    "raises": ("raise ValueError('no data')\n", "exit code 1 before", "no data"),
    "opens no port": (THINKS, "opened no port", "thinking"),
    "asks for input": ("password = input('Password: ')\n", "exit code 1 before", "no terminal"),
    "needs an argument": (WANTS, "exit code 2 before", "after --"),
    "is no server of Bokeh's": (OTHER, "without a Bokeh or Panel server", "-I or -E"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_program_that_cannot_be_served_is_an_error_that_says_what_was_seen(write, name):
    source, what, more = BAD[name]
    with pytest.raises(ServerNotReady) as error:
        serve(write("app.py", source), framework="program", ready_timeout=12)
    assert what in error.value.what and more in str(error.value)


def test_two_servers_in_one_program(write):
    source = TWO_PAGES.replace("pn.serve(", "pn.serve(orders, port=%d, show=False, threaded=True)\n        pn.serve(")
    with pytest.raises(ServerNotReady, match="opened 2 servers") as error:
        serve(write("app.py", source, free_port(), free_port(), "False"))
    assert "/orders, /stock" in error.value.why


def test_a_command_that_daemonises_or_does_not_exist(write):
    write("app.py", TWO_PAGES, free_port(), False)
    with pytest.raises(ServerNotReady, match="could not be started"):
        serve(command="no-such-program --port {port}")
    write("nothing.py", "import threading\nthreading.Event().wait()\n")
    with pytest.raises(ServerNotReady, match="went on in the background"):
        serve(command=["sh", "-c", f"{sys.executable} nothing.py & sleep 0.5"])
    with pytest.raises(ServerNotReady, match="went on in the background"):
        serve(command=["sh", "-c", f"{sys.executable} app.py &"])
    for wrong in ("", "'", " "):
        with pytest.raises(InvalidOption):
            serve(command=wrong)
    with pytest.raises(InvalidOption, match="nothing to serve"):
        serve()


def test_a_port_that_is_taken(write):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        write("app.py", PLAIN_FASTAPI)
        with pytest.raises(PortTaken, match="is taken"):
            serve(command=f"uvicorn app:api --port {taken.getsockname()[1]}")


LATE = """
    import pathlib, sys, time

    if any("spawn_main" in word for word in sys.orig_argv):
        try:
            pathlib.Path("first").touch(exist_ok=False)
        except FileExistsError:
            time.sleep(8)  # this worker is the second, and Python takes long to start
"""


@pytest.mark.parametrize("second", ["", LATE], ids=["at once", "late"])
def test_several_workers_are_refused(write, second):
    write("sitecustomize.py", second)
    folder = write("app.py", PLAIN_FASTAPI).parent
    with pytest.raises(ServerNotReady, match="2 processes serve, and know nothing") as error:
        serve(command="uvicorn app:api --port {port} --workers 2", env={"PYTHONPATH": str(folder)})
    assert "one worker" in error.value.advice


@pytest.mark.slow("a hunt, an audit and a monitor of their own")
def test_the_commands_end_with_3_and_leave_nothing(write):
    app = str(write("app.py", "import panel as pn\nraise SystemExit('not today')\npn.serve(1)\n"))
    for command in ("hunt", "audit", "load", "serve"):
        done = subprocess.run([sys.executable, "-m", "sessionlab", command, app], capture_output=True, text=True)
        assert done.returncode == 3 and "not today" in done.stderr and not done.stdout
    nothing = subprocess.run([sys.executable, "-m", "sessionlab", "hunt"], capture_output=True, text=True)
    assert nothing.returncode == 3 and "There is nothing to run" in nothing.stderr


@pytest.mark.slow("whole hunts")
def test_both_pages_of_a_program_are_hunted_and_a_page_that_is_named(write):
    keeps = TWO_PAGES.replace("def stock():", "kept = []\n\n    def stock():\n        kept.append(pn.Column())")
    app = write("app.py", keeps, free_port(), False)
    result = hunt(app, sessions=24)
    assert result.verdict == "leak" and result.pages == ("/orders", "/stock")
    assert result.served == "as a program of its own: app.py:19 calls panel.serve"
    assert result.per_session["objects"] > 1 and "kept" in result.culprits[0].holder
    named = hunt(app, sessions=16, scenario=Scenario(pages=("/orders",), interact=use_widgets))
    assert (named.verdict, named.pages) == ("clean", ("/orders",))


@pytest.mark.slow("a whole hunt")
def test_sessions_of_fastapi_never_end_and_with_harden_they_do(write):
    stock = hunt(write("app.py", FASTAPI), sessions=12, max_seconds=60)
    (culprit,) = stock.culprits
    assert (stock.verdict, culprit.owner) == ("never-expires", "bokeh-fastapi") and "reconnect()" in culprit.advice
    hardened = FASTAPI.replace("def page():", "def page():\n        sessionlab.harden.reconnect()")
    result = hunt(write("app.py", "    import sessionlab.harden\n" + hardened), sessions=16)
    assert result.verdict == "clean"
