"""What users ask, answered by a server: see the appendix "Questions"."""

from __future__ import annotations

import asyncio
import textwrap

import psutil
import pytest

from sessionlab import serve, visit
from sessionlab.client.cookies import Cookies
from sessionlab.client.login import Login
from sessionlab.client.page import get_page
from sessionlab.errors import SessionLabError

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

LOGIN = ["--basic-auth", "secret", "--cookie-secret", "signs the cookies"]


@pytest.fixture
def app(tmp_path):
    """Write an app; its path."""

    def write(source: str, name: str = "app"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return tmp_path / f"{name}.py"

    return write


async def until(holds, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)


# -- a page that is left -------------------------------------------------------------------------------------------

TICKS = """
    import panel as pn

    pn.extension()
    pn.state.add_periodic_callback(lambda print=print: print("tick", flush=True), period=50)
    pn.state.on_session_destroyed(lambda context, print=print: print("ended", flush=True))
    pn.widgets.IntInput(name="Number").servable()
"""


async def test_a_periodic_callback_goes_on_until_its_session_ends(app):
    with serve(app(TICKS), lifetime=600) as server:
        async with visit(server.url) as session:
            await session.roundtrip()
        await until(lambda: all(not s.connections for s in server.probe.sessions()))
        left = server.log.written
        await asyncio.to_thread(server.log.wait_for_next, "tick", left, 20)  # nobody is there
        number = len(server.log.matching("^ended$")) + len(server.probe.sessions())  # `serve` has asked for a page, too
        await asyncio.to_thread(server.probe.discard_unused)
        await until(lambda: len(server.log.matching("^ended$")) == number)
        await asyncio.to_thread(server.pass_time, 10)  # for what would still be due
        lines = server.log.matching("^(tick|ended)$")
        assert "tick" in lines and lines[-1] == "ended"


# -- one user, many pages ------------------------------------------------------------------------------------------

USER = """
    import panel as pn

    pn.extension()
    pn.widgets.TextInput(name="User", value=str(pn.state.user), disabled=True).servable()
    clicks = pn.widgets.IntInput(name="Clicks", value=0)
    pn.widgets.Button(name="Add one", on_click=lambda e: clicks.param.update(value=clicks.value + 1)).servable()
    clicks.servable()
"""


async def entered(server, name: str) -> Cookies:
    cookies = Cookies(server.url)
    await Login(name, "secret").enter(server.url, {}, cookies)
    return cookies


async def test_ten_tabs_of_one_user_are_ten_sessions(app):
    with serve(app(USER), panel_args=LOGIN) as server:
        ann = await entered(server, "ann")
        tabs = [await visit(server.url, cookies=ann) for _ in range(10)]
        await tabs[0].click("Add one")
        await tabs[0].wait_for("Clicks", value=1)
        connected = [session for session in server.probe.sessions() if session.connections]
        assert len({tab.id for tab in tabs}) == len(connected) == 10
        assert [tab.value("Clicks") for tab in tabs] == [1] + 9 * [0]
        for tab in tabs:
            await tab.close()


async def test_two_people_under_one_name_are_one_user_and_two_sessions(app):
    with serve(app(USER), panel_args=LOGIN) as server:
        one, two = [await visit(server.url, cookies=await entered(server, "ann")) for _ in range(2)]
        assert one.id != two.id and one.value("User") == two.value("User") == "ann"
        await one.close()
        await two.close()


async def test_a_logout_ends_no_session(app):
    with serve(app(USER), panel_args=LOGIN) as server:
        ann = await entered(server, "ann")
        session = await visit(server.url, cookies=ann)
        await get_page(f"{server.origin}/logout", cookies=ann)
        await session.click("Add one")
        await session.wait_for("Clicks", value=1)  # the page that is open goes on
        with pytest.raises(SessionLabError):  # a new one asks who is there
            await visit(server.url)
        await session.close()


# -- several pages of one server -----------------------------------------------------------------------------------

PAGES = """
    import panel as pn

    pn.extension()
    shared = pn.state.cache.setdefault("shared", [])
    shared.append(pn.state.curdoc.session_context.id)
    pn.widgets.IntInput(name="Shared", value=len(shared)).servable()
"""


async def test_another_page_of_the_same_server_is_another_session_in_the_same_process(app):
    with serve([app(PAGES, "one"), app(PAGES, "two")], lifetime=600) as server:
        async with visit(server.urls["/one"]) as first:
            number = first.value("Shared")
        async with visit(server.urls["/two"]) as second:
            assert second.id != first.id
            assert second.value("Shared") == number + 1  # the cache is of the process
            # the page that she has left is kept for its lifetime
            await until(lambda: (first.id, 0) in [(s.id, s.connections) for s in server.probe.sessions()])


# -- the address ---------------------------------------------------------------------------------------------------

ADDRESS = """
    import panel as pn

    pn.extension()
    year = pn.widgets.IntInput(name="Year", value=2000)
    pn.state.location.sync(year, {"value": "year"})
    year.servable()
"""


async def test_what_is_in_the_address_comes_back_with_it(app):
    with serve(app(ADDRESS)) as server:
        async with visit(server.url) as session:
            await session.set("Year", value=2009)
            await session.wait_for("Location", search=lambda text: "year=2009" in (text or ""))
            search = session.value("Location", "search")
        async with visit(server.url + search) as copy:
            assert copy.id != session.id
            await copy.wait_for("Year", value=2009)


# -- threads -------------------------------------------------------------------------------------------------------

THREADS = """
    import contextlib, threading
    import panel as pn

    pn.extension()
    new = {"sold": 0, "lock": threading.Lock(), "both": threading.Barrier(2, timeout=3)}
    kept = pn.state.cache.setdefault("kept", new)

    def sell(event):
        sold = kept["sold"]
        with contextlib.suppress(threading.BrokenBarrierError):
            kept["both"].wait()  # until another has read it, too; or nobody else is let in
        kept["sold"] = sold + 1

    def sell_safely(event):
        with kept["lock"]:
            sell(event)

    def look(event):
        shown.value = kept["sold"]

    shown = pn.widgets.IntInput(name="Sold", value=-1)
    buttons = [pn.widgets.Button(name=f.__name__, on_click=f) for f in (sell, sell_safely, look)]
    pn.Column(shown, *buttons).servable()
"""


@pytest.mark.parametrize(
    ("threads", "button", "sold"),
    [([], "sell", 2), (["--num-threads", "4"], "sell", 1), (["--num-threads", "4"], "sell_safely", 2)],
)
async def test_with_threads_two_callbacks_run_at_once_and_what_they_share_needs_a_lock(app, threads, button, sold):
    with serve(app(THREADS), panel_args=threads) as server:
        async with visit(server.url) as one, visit(server.url) as two:
            await asyncio.gather(one.click(button), two.click(button))
            kept = lambda: [s for s in server.probe.sessions() if s.blocks]  # noqa: E731
            async with asyncio.timeout(20):
                value = -1
                while value < sold or await asyncio.to_thread(kept):
                    await one.click("look")
                    await one.roundtrip()
                    value = one.value("Sold")
                    await asyncio.sleep(0.1)
            assert value == sold


# -- connections ---------------------------------------------------------------------------------------------------

CONNECTIONS = """
    import sqlite3, os
    import panel as pn

    pn.extension()
    database = sqlite3.connect(os.environ["DATABASE"])
    database.execute("SELECT 1 FROM sqlite_master").fetchall()
    pn.state.on_session_destroyed(lambda context, database=database: database.close())
    pn.widgets.IntInput(name="Number").servable()
"""


async def test_a_connection_of_a_session_is_open_for_as_long_as_the_session_waits(app, tmp_path):
    file = tmp_path / "data.sqlite"
    with serve(app(CONNECTIONS), env={"DATABASE": str(file)}, lifetime=600) as server:
        process = psutil.Process(server.pid)

        def connections() -> int:
            return sum(opened.path == str(file) for opened in process.open_files())

        for _ in range(5):
            async with visit(server.url):
                pass
        await until(lambda: all(not s.connections for s in server.probe.sessions()))
        assert connections() == len(server.probe.sessions()) >= 5  # nobody is there, and nothing is closed
        await asyncio.to_thread(server.probe.discard_unused)
        await until(lambda: connections() == 0)
