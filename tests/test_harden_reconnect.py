"""harden.reconnect: pages come back soon, are told the truth, and a ticket opens one living session for one user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio
from bokeh.util.token import generate_jwt_token, generate_session_id, get_session_id, get_token_payload
from machine import browser_or_skip, shows_again
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from sessionlab import Outage, serve, visit
from sessionlab.client.browser import Browser
from sessionlab.harden import reconnect
from sessionlab.harden.tickets import TYPE

pytestmark = [
    pytest.mark.usefixtures("preloaded"),
    pytest.mark.server,
    pytest.mark.slow("a browser waits through restarts"),
    pytest.mark.asyncio(loop_scope="module"),
]
PATIENCE = 60  # seconds, for what takes one or two on a quiet machine
LASTS = 20  # seconds that a token lasts where pages grow old: time enough to load one on a busy machine
KEY = "a key of the test"
SIGNED = dict(BOKEH_SECRET_KEY=KEY, BOKEH_SIGN_SESSIONS="yes")
APP = """
    import numpy as np
    import panel as pn
    from bokeh.plotting import figure
    from panel.io.state import state
    from sessionlab.harden import reconnect
    from tornado.websocket import WebSocketHandler
    BEFORE
    count = pn.widgets.IntInput(name="count")
    kept = pn.widgets.IntInput(name="kept", value=-1)
    path = pn.widgets.TextInput(name="path")
    children = pn.Column()

    def clicked(event):
        contexts = [doc.session_context for doc in {doc for _, _, doc, _ in state._views.values()}]
        kept.value = len([context for context in contexts if context is None or context.destroyed])
        path.value = state.location.pathname
        count.value += 1
        children.append(pn.pane.HTML(f"child {count.value}"))

    def half(event):
        for connection in state.curdoc.session_context.session._subscribed_connections:
            WebSocketHandler.write_message(connection._socket, '{"msgid": "1", "msgtype": "PATCH-DOC"}')
            connection._socket.close()

    plot = figure(height=150, name="plot")
    plot.line(np.arange(50.0), np.arange(50.0))
    add, cut = pn.widgets.Button(name="add one", on_click=clicked), pn.widgets.Button(name="half", on_click=half)
    pn.Column(add, cut, count, kept, path, children, plot, pn.pane.HTML("." * SIZE)).servable()
    AFTER
"""
FUNCTION = """
    import panel as pn
    from sessionlab.harden import reconnect

    def make():
        reconnect(texts={"resumed": "Da sind wir wieder."})
        pn.extension()
        text = pn.pane.HTML("here")
        button = pn.widgets.Button(name="click", on_click=lambda event: text.param.update(object="clicked"))
        return pn.template.FastListTemplate(title="t", main=[button, text])
"""
USERS = """
    def get_user(handler):
        return handler.get_argument("user", None) or handler.request.headers.get("X-User") or "nobody"

    def get_login_url(handler):
        return "/login"
"""
OUTCOME = f"document.querySelector('#{TYPE}').dataset.outcome"
LISTEN = f"""() => {{ [window.tickets, window.outcomes] = [[], []]
  Bokeh.documents[0].on_message('{TYPE}', (message) => {{
    tickets.push(message.ticket)
    if (message.outcome) outcomes.push(message.outcome)
  }}) }}"""
DRAWN = """(() => { const {data} = doc.get_model_by_name('plot').renderers[0].data_source
  return (data.get ? data.get('x') : data.x)[7] })()"""


TELLING = "pn.state.curdoc.on_event('client_reconnected', lambda event: print('a page came back', flush=True))"


def source(before: str = "reconnect()\n    pn.extension()", after: str = "", size: int = 0) -> str:
    return APP.replace("BEFORE", before).replace("AFTER", after).replace("SIZE", str(size))


NOTIFYING = source("pn.extension(notifications=True, reconnect=True)", "reconnect()")


@pytest.fixture(scope="module")
def servers(app):
    """Servers, by name. No session ends by itself. Where it is said so, users log in by the address."""
    login = ["--auth-module", str(app(USERS, "auth.py"))]
    module = app(FUNCTION, "own_module.py")
    plain = app(source(), "plain.py")
    apps = {
        "old": [app(NOTIFYING, "notifying.py"), plain],
        "young": [
            plain,
            app(source("reconnect(retry=1000)\n    pn.extension()"), "slow.py"),
            app(source(size=100_000), "big.py"),
            app(source(after=TELLING), "telling.py"),
            "own_module:make",
        ],
        "signed": [plain, app(source(), "other.py")],
        "external-signed": [plain, app(source(), "other.py")],
    }
    options = {
        "old": dict(token_expiration=LASTS, panel_args=login),
        "young": dict(
            env={"PYTHONPATH": os.pathsep.join([str(module.parent), os.environ.get("PYTHONPATH", "")])},
            panel_args=["--websocket-max-message-size", "50000"],
        ),
        "signed": dict(env=SIGNED, panel_args=[*login, "--session-ids", "signed"]),
        "external-signed": dict(env=SIGNED, panel_args=[*login, "--session-ids", "external-signed"]),
    }
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        futures = {name: pool.submit(serve, apps[name], lifetime=3600, check=0.1, **options[name]) for name in apps}
        started = {name: stack.enter_context(future.result()) for name, future in futures.items()}
        yield started
        list(pool.map(lambda server: server.stop(), started.values()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    browser_or_skip()
    async with Browser() as browser:
        yield browser


async def open_in(browser, url: str, **options):
    """A tab that notes its tickets and what it was told."""
    tab = await browser.open(url, timeout=PATIENCE, **options)
    await tab.page.evaluate(LISTEN)
    return tab


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def aging(servers, browser):
    """A page that is opened first and used last, when it is older than its token; its wire; and when it will be."""
    with Outage(servers["old"]) as outage:
        tab = await open_in(browser, f"{outage.urls['/notifying']}?user=anna")
        yield tab, outage, time.time() + LASTS


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser):
    async with contextlib.AsyncExitStack() as stack:

        async def open(url: str, **options):
            return await stack.enter_async_context(await open_in(browser, url, **options))

        yield open


async def add_one(tab, count: int) -> None:
    """Click, and see a number, a new child and an array that came from the server."""
    await tab.page.get_by_role("button", name="add one").click()
    await tab.page.get_by_text(f"child {count}", exact=True).wait_for()
    assert await tab.value("count") == count
    assert await tab.bokeh(DRAWN) == 7


async def told(tab, after: int) -> str:
    return await tab.wait_for(f"outcomes.length > {after} && outcomes.at(-1)", PATIENCE)


async def lose(tab, outage, meanwhile=None) -> str:
    """What the page is told after it was lost for a while."""
    before = await tab.page.evaluate("outcomes.length")
    outage.refuse()
    await tab.wait_for(f"{OUTCOME} == 'lost'", PATIENCE)
    if meanwhile:
        await asyncio.to_thread(meanwhile)
    outage.restore()
    return await told(tab, before)


async def session_of(tab) -> str:
    (ticket,) = (await tab.page.evaluate("tickets"))[-1:]
    return get_session_id(ticket)


# -- pages --------------------------------------------------------------------------------------------------------


@shows_again
async def test_a_page_restarts_in_a_new_session_that_hears_and_shows(servers, open_page):
    server = servers["young"]
    with Outage(server) as outage:
        tab = await open_page(outage.urls["/plain"])
        await add_one(tab, 1)
        assert await lose(tab, outage) == "resumed"
        await add_one(tab, 2)
        ticket, session = (await tab.page.evaluate("tickets"))[-1], await session_of(tab)
        assert await lose(tab, outage, lambda: server.probe.end(session)) == "restarted"
        notice = tab.page.get_by_role("status")
        assert "This is a new one" in await notice.inner_text()
        await add_one(tab, 1)
        assert await tab.value("path") == "/plain"
        assert await first_frame(server.urls["/plain"], ticket) == said("gone")  # it has the same id
        assert await lose(tab, outage) == "resumed"
        assert "goes on where it was" in await notice.inner_text()
        await add_one(tab, 2)
        assert await tab.documents() == 1
        assert not tab.toasts


async def test_a_loss_is_told_although_the_first_word_of_it_was_lost(servers, open_page):
    server = servers["young"]
    with Outage(server) as outage:
        tab = await open_page(outage.urls["/telling"])
        assert await lose(tab, outage) == "resumed"
        outage.refuse()
        await tab.wait_for(f"{OUTCOME} == 'lost'", PATIENCE)
        server.probe.end(await session_of(tab))
        outage.slow(1.5)
        await tab.wait_for(lambda: len(server.log.matching("a page came back")) == 2, PATIENCE)
        outage.cut()  # while "restarted" is on its way
        outage.restore()
        assert await tab.wait_for(f"['resumed', 'restarted'].includes({OUTCOME}) && {OUTCOME}", PATIENCE) == "restarted"
        assert await tab.page.evaluate("outcomes") == ["resumed", "resumed"]  # as far as the server knows


@shows_again
async def test_a_restarted_server_is_found(servers, open_page):
    with Outage(servers["young"]) as outage:
        tab = await open_page(outage.urls["/plain"])
        assert await lose(tab, outage, servers["young"].restart) == "restarted"
        await add_one(tab, 1)


async def test_a_cut_within_a_message(servers, open_page):
    tab = await open_page(servers["young"].urls["/plain"])
    await tab.page.get_by_role("button", name="half").click()
    assert await told(tab, 0) == "resumed"
    await add_one(tab, 1)


async def test_nothing_of_the_page_is_sent_back(servers, open_page):
    """A server that gets a message larger than it takes ends the connection."""
    with Outage(servers["young"]) as outage:
        tab = await open_page(outage.urls["/big"])
        outage.cut()
        assert await told(tab, 0) == "resumed"
        await add_one(tab, 1)
        assert len(tab.sockets) == 2


async def test_the_next_attempt_comes_at_once_when_the_browser_is_online_or_visible(servers, open_page):
    with Outage(servers["young"]) as outage:
        tab = await open_page(outage.urls["/slow"])
        for count, (target, event) in enumerate([("window", "online"), ("document", "visibilitychange")]):
            outage.refuse()
            await tab.wait_for(f"{OUTCOME} == 'lost'", PATIENCE)  # which it says after its first attempt
            outage.restore()  # by itself it would wait for ten minutes and more
            await tab.page.evaluate(f"{target}.dispatchEvent(new Event('{event}'))")
            assert await told(tab, count) == "resumed"


async def test_attempts_are_as_rare_as_promised(servers, open_page):
    with Outage(servers["young"]) as outage:
        tab = await open_page(outage.urls["/plain"], clock=True)
        asked = []
        tab.page.on("request", lambda request: asked.append(request.url))
        outage.refuse()
        await tab.wait_for(lambda: asked, PATIENCE)
        before, began = len(tab.sockets) + len(asked), await tab.page.evaluate("performance.now()")
        await tab.fast_forward(10)
        passed = (await tab.page.evaluate("performance.now()") - began) / 1000
        assert 4 <= len(tab.sockets) + len(asked) - before <= passed / 0.3 + 1
        assert {url.rpartition("/")[2] for url in asked} == {"metadata"}  # to ask for the page would make a session
        assert len(tab.sockets) <= 2 + len(asked) / 7  # a browser delays websockets when many have failed


async def test_function_apps_with_a_template_and_own_words(servers, open_page):
    with Outage(servers["young"]) as outage:
        tab = await open_page(outage.urls["/function_app"])
        await tab.page.get_by_role("button", name="click").click()
        await tab.page.get_by_text("clicked", exact=True).wait_for()
        outage.cut()
        assert await told(tab, 0) == "resumed"
        await tab.page.get_by_role("status").get_by_text("Da sind wir wieder.").wait_for()
        await tab.page.get_by_text("clicked", exact=True).wait_for()


async def test_no_document_is_kept_per_visit(servers):
    server = servers["old"]
    for _ in range(3):
        async with visit(server.urls["/notifying"]) as session:
            pass
        await asyncio.to_thread(server.probe.end, session.id)
    async with visit(server.urls["/notifying"]) as session:
        await session.click("add one")
        await session.wait_for("count", value=1)
        assert session.value("kept") == 0


@pytest.mark.parametrize(("options", "says"), [({"retry": 0}, "above 0"), ({"texts": {"gone": "x"}}, "no text 'gone'")])
async def test_bad_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        reconnect(**options)


async def test_outside_a_session_nothing_happens():
    reconnect()


# -- tickets ------------------------------------------------------------------------------------------------------


async def first_frame(url: str, token: str, user: str = "anna") -> str | None:
    """What the server says first to a page that presents ``token``; None if it hangs up."""
    request = HTTPRequest(url.replace("http", "ws", 1) + "/ws", headers={"X-User": user})
    socket = await websocket_connect(request, subprotocols=["bokeh", token])
    try:
        return await asyncio.wait_for(socket.read_message(), PATIENCE)
    finally:
        socket.close()


def said(verdict: str) -> str:
    return f'{{"{TYPE}": "{verdict}"}}'


def accepted(frame: str | None) -> bool:
    return frame is not None and '"ACK"' in frame


@pytest.mark.parametrize("kind", ["old", "signed", "external-signed"])
async def test_a_ticket_is_for_one_living_session_and_one_user(servers, open_page, kind):
    """In sessions that are not signed, that Panel signs, and whose ids another program signs."""
    server, signs = servers[kind], kind != "old"
    key = KEY.encode() if signs else None
    page = server.urls["/plain"]
    other = server.urls["/other" if signs else "/notifying"]
    own = f"&bokeh-session-id={generate_session_id(key, True)}" if kind == "external-signed" else ""
    with Outage(server) as outage:
        tab = await open_page(f"{outage.urls['/plain']}?user=anna{own}")
        outage.cut()
        assert await told(tab, 0) == "resumed"
        ticket, session = (await tab.page.evaluate("tickets"))[-1], await session_of(tab)
    assert accepted(await first_frame(page, ticket))
    assert await first_frame(page, ticket, user="ben") == said("refused")
    assert await first_frame(other, ticket) == said("refused")

    number = {TYPE: get_token_payload(ticket)[TYPE]}
    without = generate_jwt_token(session, key, signs, None, -1)  # what Bokeh itself sees in a ticket
    assert await first_frame(page, without) is None
    stranger = generate_jwt_token(generate_session_id(key, signs), key, signs, number, -1)
    assert await first_frame(page, stranger) == said("refused")
    if signs:
        forged = generate_jwt_token(session, key[1:], True, number, -1)
        assert await first_frame(page, forged) == said("refused")

    await tab.close()
    await asyncio.to_thread(server.probe.end, session)
    assert await first_frame(page, ticket) == said("gone")
    assert session not in [known.id for known in await asyncio.to_thread(server.probe.sessions)]  # none was made


async def test_only_the_two_newest_tickets_are_good(servers, open_page):
    page = servers["old"].urls["/plain"]
    with Outage(servers["old"]) as outage:
        tab = await open_page(f"{outage.urls['/plain']}?user=anna")
        for count in range(3):
            outage.cut()
            await told(tab, count)
        *_, oldest, older, newest = await tab.page.evaluate("tickets")
        assert await first_frame(page, oldest) == said("gone")
        assert accepted(await first_frame(page, older))
        assert accepted(await first_frame(page, newest))


# -- last ---------------------------------------------------------------------------------------------------------


async def test_an_old_page_resumes_again_and_again_until_its_session_ends(servers, aging):
    tab, outage, expires = aging
    await add_one(tab, 1)
    await asyncio.sleep(max(0, expires - time.time()))
    await tab.wait_for("tickets.length > 0", PATIENCE)  # it gets them without asking
    for count in (2, 3):
        assert await lose(tab, outage) == "resumed"
        await add_one(tab, count)
    session = await session_of(tab)
    outage.refuse()
    await tab.wait_for(f"{OUTCOME} == 'lost'", PATIENCE)
    await asyncio.to_thread(servers["old"].probe.end, session)
    outage.restore()
    await tab.wait_for(f"{OUTCOME} == 'refused'", PATIENCE)
    shown = " ".join(toast.text for toast in tab.toasts)
    assert "Your session has ended" in shown and "goes on where it was" in shown and "re-established" not in shown
    attempts = len(tab.sockets)
    await tab.page.evaluate("window.dispatchEvent(new Event('online'))")
    await tab.page.get_by_role("button", name="Load again").last.click()
    await tab.wait_for("window.Bokeh?.documents?.[0]?.is_idle && !window.outcomes", PATIENCE)
    assert len(tab.sockets) == attempts + 1  # it knew that there was nothing to be had
    assert not [error for error in tab.errors if "CONNECTING" not in error.text]
