"""SessionLimits: caps hold, the least recently used goes first, and who is not admitted is told so."""

from __future__ import annotations

import asyncio
import html
import re
import sys

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.web import create_signed_value
from tornado.websocket import websocket_connect

from sessionlab import serve, visit
from sessionlab.errors import ConnectionRefused, InvalidOption, VisitFailed
from sessionlab.harden import SessionLimits
from sessionlab.sizes import UNITS, read_size

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

APP = """
    import itertools
    import panel as pn
    from bokeh.io import curdoc
    from sessionlab.harden.limits import SessionLimits, evicted
    from sessionlab.harden.served import resident_memory, sessions

    def limit(event):
        evicted.clear()
        SessionLimits(**eval(event.new)).install()

    def look(event):
        alive = sorted(s.document.session_context.request.arguments["name"][0].decode() for _, s in sessions())
        report.object = f"{next(numbers)} {','.join(alive)} {dict(evicted)} {resident_memory() // 10**6}"

    doc, numbers = curdoc(), itertools.count()
    serial = next(pn.state.as_cached("serial", itertools.count))  # a session that comes back has the same id
    pn.state.on_session_destroyed(lambda context, say=print, serial=serial: say(f"HOOK {serial}"))
    ballast = bytearray(30_000_000 if "heavy" in pn.state.session_args else 0)
    limits = pn.widgets.TextInput(name="limits")
    limits.param.watch(limit, "value")
    block = pn.widgets.Button(name="block", on_click=lambda e: doc.session_context.session.block_expiration())
    unblock = pn.widgets.Button(name="unblock", on_click=lambda e: doc.session_context.session.unblock_expiration())
    report = pn.pane.HTML("")
    pn.Column(limits, block, unblock, pn.widgets.Button(name="look", on_click=look), report).servable()
"""


@pytest.fixture(scope="module")
def server(app):
    with serve(app(APP), lifetime=600, check=0.3) as server:  # nobody expires during a test
        yield server


@pytest.fixture
async def limited(server):
    """`await limited(retained=2)` puts these limits in force and gives the session of a watcher."""
    watchers = []

    async def start(**limits):
        watchers.append(watcher := await visit(f"{server.url}?name=watcher"))
        await watcher.set("limits", value=repr(limits))
        return watcher

    yield start
    for watcher in watchers:
        await watcher.set("limits", value="dict(retained=0)")
        await eventually(watcher, lambda names: names == ["watcher"])
        await watcher.close()
    hooks = server.log.matching("^HOOK")
    assert len(set(hooks)) == len(hooks)  # once for each session that ended
    assert not server.log.matching("Traceback|ERROR")


async def look(session) -> tuple[list[str], str]:
    """The names of the sessions that are alive, and the rest of what the server tells."""
    before = session.value("HTML", "text")
    await session.click("look")
    await session.wait_for("HTML", text=lambda text: text != before)
    _, names, rest = html.unescape(html.unescape(session.value("HTML", "text"))).split(" ", 2)
    return names.split(","), rest


async def eventually(session, condition) -> tuple[list[str], str]:
    async with asyncio.timeout(15):
        while True:
            names, rest = await look(session)
            if condition(names):
                return names, rest
            await asyncio.sleep(0.05)


async def get(url: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a page."""
    answer = await AsyncHTTPClient().fetch(url, raise_error=False)
    return answer.code, answer.headers, answer.body.decode()


async def left(server, name: str) -> None:
    """Somebody who came and left."""
    async with visit(f"{server.url}?name={name}"):
        pass


async def test_the_least_recently_used_session_goes_first(server, limited):
    watcher = await limited(retained=2)
    first = await visit(f"{server.url}?name=first")
    for name in ("second", "third"):
        await left(server, name)
    await first.close()  # came first, left last
    await left(server, "fourth")
    await eventually(watcher, lambda names: names == ["first", "fourth", "watcher"])


@pytest.mark.slow("sixty sessions come and go")
async def test_the_retained_cap_holds_under_sixty_dropped_sessions(server, limited):
    watcher = await limited(retained=10)
    for batch in range(6):
        visitors = [await visit(f"{server.url}?name=v{batch}{i}") for i in range(10)]
        await asyncio.gather(*(visitor.drop() for visitor in visitors))
        names, _ = await look(watcher)
        assert len(names) <= 1 + 10 + 10
    names, rest = await eventually(watcher, lambda names: len(names) <= 11)
    assert len(names) == 11 and "{'retained': 50}" in rest
    server.read_log()
    assert len(server.log.matching("^HOOK")) >= 50


async def test_a_page_that_is_just_loading_is_not_evicted(server, limited):
    watcher = await limited(retained=0)
    token = re.search(r'"token":"([^"]+)"', (await get(f"{server.url}?name=slow"))[2])[1]
    await left(server, "gone")
    await eventually(watcher, lambda names: names == ["slow", "watcher"])
    # Now its websocket comes.
    address = server.url.replace("http", "ws", 1) + "/ws?name=slow"
    connection = await websocket_connect(address, subprotocols=["bokeh", token])
    await connection.read_message()
    connection.close()


async def test_a_blocked_session_is_not_evicted(server, limited):
    watcher = await limited(retained=0)
    busy = await visit(f"{server.url}?name=busy")
    await busy.click("block")
    await busy.close()
    await left(server, "idle")
    await eventually(watcher, lambda names: names == ["busy", "watcher"])
    await busy.reconnect()
    await busy.click("unblock")
    await busy.close()


async def test_who_is_over_the_live_cap_gets_a_clear_page_with_503(server, limited):
    watcher = await limited(live=2)
    async with visit(f"{server.url}?name=b"):
        status, headers, page = await get(f"{server.url}?name=c")
        assert (status, headers["Retry-After"]) == (503, "15")
        assert "<h1>The application is full.</h1>" in page and "tries again every 15 seconds" in page
        status, headers, script = await get(f"{server.url}/autoload.js?bokeh-autoload-element=here&name=d")
        assert (status, headers["Content-Type"]) == (503, "application/javascript")
        assert 'getElementById("here")' in script
        assert (await look(watcher))[0] == ["b", "watcher"]


async def test_a_newcomer_takes_the_place_of_a_retained_session(server, limited):
    watcher = await limited(live=2)
    await left(server, "b")
    async with visit(f"{server.url}?name=c"):
        assert (await look(watcher))[0] == ["c", "watcher"]


async def test_a_websocket_whose_session_is_gone_is_a_newcomer(server, limited):
    watcher = await limited(live=2, retained=0)
    lost = await visit(f"{server.url}?name=lost")
    await lost.close()
    async with visit(f"{server.url}?name=b"):
        with pytest.raises(ConnectionRefused, match="503"):
            await lost.reconnect()
        assert (await look(watcher))[0] == ["b", "watcher"]
    await lost.reconnect()  # b has left
    assert (await look(watcher))[0] == ["lost", "watcher"]
    await lost.close()


async def test_many_websockets_at_once_do_not_slip_through(server, limited):
    watcher = await limited(live=3, retained=0)
    crowd = []
    for i in range(5):
        crowd.append(await visit(f"{server.url}?name=v{i}"))
        await crowd[-1].close()
    await eventually(watcher, lambda names: names == ["watcher"])
    results = await asyncio.gather(*(visitor.reconnect() for visitor in crowd), return_exceptions=True)
    assert [type(result) for result in results if result] == [ConnectionRefused] * 3
    assert len((await look(watcher))[0]) == 3
    for visitor, result in zip(crowd, results, strict=True):
        if result is None:
            await visitor.close()


async def test_the_cap_of_one_user_leaves_others_alone(app):
    """The user is the one who is logged in; the limits are installed before the first session, by a setup file."""
    path = app("import panel as pn; pn.pane.HTML('x').servable()")
    setup = path.with_name("setup.py")
    setup.write_text("from sessionlab.harden import SessionLimits; SessionLimits(per_user=1).install()")
    options = ["--basic-auth", "secret", "--cookie-secret", "salt", "--setup", str(setup)]
    anna, ben = ({"user": create_signed_value("salt", "user", name).decode()} for name in ("anna", "ben"))
    with serve(path, lifetime=600, check=0.3, panel_args=options) as server:
        async with visit(server.url, cookies=ben):
            async with visit(server.url, cookies=anna):
                with pytest.raises(VisitFailed, match="answered 503") as refused:
                    await visit(server.url, cookies=anna)
                assert "You have too many sessions open" in str(refused.value)
            async with visit(server.url, cookies=anna):  # in the place of the one that was left
                pass


async def test_above_the_memory_line_retained_sessions_go_and_newcomers_wait(server, limited):
    watcher = await limited(retained=None)
    base = int((await look(watcher))[1].rsplit(" ", 1)[1])
    await watcher.set("limits", value=f"dict(retained=None, memory='{base + 100} MB')")
    for i in range(5):
        await left(server, f"gone{i}&heavy")
    names, rest = await look(watcher)
    assert len(names) < 6 and "'memory'" in rest and int(rest.rsplit(" ", 1)[1]) <= base + 100

    staying, refusal = [], None
    while refusal is None and len(staying) < 6:
        try:
            staying.append(await visit(f"{server.url}?name=stays&heavy"))
        except VisitFailed as error:
            refusal = str(error)
    assert 3 <= len(staying) <= 5 and "503" in refusal and "memory is used up" in refusal
    for visitor in staying:
        await visitor.close()
    async with visit(f"{server.url}?name=later&heavy"):  # those have left, and their memory is free
        assert "later" in (await look(watcher))[0]


async def test_a_session_that_cannot_be_built_uses_up_no_place(app):
    """Plain Bokeh answers 500 then and keeps the session pending: the next request for it would hang."""
    main = app("""
        from bokeh.models import Div
        from bokeh.server.server import Server
        from sessionlab.harden import SessionLimits

        def page(doc):
            if "fail" in doc.session_context.request.arguments:
                raise ZeroDivisionError
            doc.add_root(Div(text="works"))

        SessionLimits(live=2).install()
        server = Server(page, port=0, address="127.0.0.1")
        print(server.port, flush=True)
        server.run_until_shutdown()
    """)
    process = await asyncio.create_subprocess_exec(sys.executable, str(main), stdout=asyncio.subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
        for _ in range(3):
            assert (await get(f"{url}?fail=1&bokeh-session-id=same"))[0] == 500
        assert (await get(url))[0] == 200
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(retained=-1), "retained is a whole number"),
        (dict(live=0), "live is a whole number"),
        (dict(per_user=1.5), "per_user is a whole number"),
        (dict(memory="much"), "memory is a number of bytes"),
        (dict(memory=0), "memory is a number of bytes"),
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        SessionLimits(**wrong)


@pytest.mark.parametrize(
    ("text", "size"), [("800 MB", 8 * 10**8), ("1.5GiB", 3 * 2**29), (12345, 12345), (1e9, 10**9), ("5e8 B", 5 * 10**8)]
)
def test_memory_is_read_as_bytes(text, size):
    assert SessionLimits(memory=text).memory == size


AMOUNTS = ["800 MB", "1.5GiB", "5e8 B", "1e9", " 12 kb ", ".5 gib", 12345, "much", "", "-1", "0", "1e999", "5 TB"]


@pytest.mark.parametrize("text", [*AMOUNTS, *(f"7 {unit}" for unit in UNITS)])
def test_the_lab_reads_amounts_as_the_limits_do(text):
    """Two parsers, for neither imports the other."""

    def read(parser):
        try:
            return parser(text)
        except (ValueError, InvalidOption):
            return "refused"

    assert read(lambda t: SessionLimits(memory=t).memory) == read(read_size)
