"""harden.reconnect: pages come back soon, are told the truth, and a ticket opens one living session for one user."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from bokeh.util.token import generate_jwt_token, get_session_id, get_token_payload
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from sessionlab import Outage, serve
from sessionlab.harden import reconnect
from sessionlab.harden import tickets as module
from sessionlab.visit.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")
APP = """
    import itertools
    import numpy as np
    import panel as pn
    from bokeh.plotting import figure
    from panel.io.state import state
    from sessionlab.harden import reconnect
    BEFORE
    numbers = state.as_cached("numbers", itertools.count)
    count = pn.widgets.IntInput(name="count")
    children = pn.Column(f"born {next(numbers)}")
    views = pn.widgets.IntInput(name="documents")

    def clicked(event):
        count.value += 1
        children.append(pn.pane.HTML(f"child {count.value}"))
        views.value = len({id(doc) for _, _, doc, _ in state._views.values()})

    plot = figure(height=150, name="plot")
    plot.line(np.arange(50.0), np.arange(50.0))
    pn.Column(pn.widgets.Button(name="add one", on_click=clicked), count, children, views, plot).servable()
    AFTER
"""
PLAIN = APP.replace("BEFORE", "reconnect()\n    pn.extension()").replace("AFTER", "")
NOTIFYING = APP.replace("BEFORE", "pn.extension(notifications=True, reconnect=True)").replace("AFTER", "reconnect()")
FUNCTION = """
    import panel as pn
    from sessionlab.harden import reconnect

    def make():
        reconnect(texts={"resumed": "Da sind wir wieder."})
        pn.extension()
        count = pn.widgets.IntInput(name="count")
        button = pn.widgets.Button(name="add one", on_click=lambda event: count.param.update(value=count.value + 1))
        return pn.template.FastListTemplate(title="t", main=[button, count])
"""
OUTCOME = "document.querySelector('#sessionlab_reconnect').dataset.outcome"
SAID = f"['resumed', 'restarted', 'refused'].includes({OUTCOME}) && {OUTCOME}"
X = "((data) => (data.get ? data.get('x') : data.x)[7])(doc.get_model_by_name('plot').renderers[0].data_source.data)"


@pytest.fixture(scope="module")
def short(app):
    """Sessions that live 2 s without a page; tokens that expire after 2 s. Notifications are on."""
    with serve(app(NOTIFYING), lifetime=2, check=0.1, token_expiration=2) as server:
        yield server


@pytest.fixture(scope="module")
def plain(app):
    with serve(app(PLAIN), lifetime=0.5, check=0.1) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with Browser() as browser:
        yield browser


async def add_one(tab, count: int) -> None:
    await tab.click("add one")
    await tab.page.get_by_text(f"child {count}", exact=True).wait_for(timeout=3000)
    assert await tab.value("count") == count
    assert await tab.bokeh(X) == 7


async def test_an_old_page_resumes_again_and_again_until_its_session_ends(short, browser):
    with Outage(short) as outage:
        tab = await browser.open(outage.url)
        await add_one(tab, 1)
        await asyncio.sleep(2)  # older than its token
        for count in (2, 3):
            outage.refuse(0.9)
            await tab.wait_for(f"{OUTCOME} == 'lost'")
            assert await tab.wait_for(SAID) == "resumed"
            await tab.settle()
            await add_one(tab, count)
            assert await tab.documents() == 1
        outage.refuse(2.8)
        await tab.wait_for(f"{OUTCOME} == 'lost'")
        assert await tab.wait_for(SAID) == "refused"
        attempts = len(tab.sockets)
        outage.cut()
        await asyncio.sleep(1)
        assert len(tab.sockets) == attempts  # it knows that there is nothing to be had
        shown = " ".join(toast.text for toast in tab.toasts)
        assert "Your session has ended" in shown and "goes on where it was" in shown and "re-established" not in shown
        await tab.page.get_by_role("button", name="Load again").last.click()
        await tab.wait_for(f"window.Bokeh && Bokeh.documents[0]?.is_idle && !{OUTCOME}")
        assert not [error for error in tab.errors if "CONNECTING" not in error.text]


async def test_a_young_page_restarts_in_a_new_session_that_hears_and_shows(plain, browser):
    with Outage(plain) as outage:
        tab = await browser.open(outage.url)
        await add_one(tab, 1)
        notice = tab.page.get_by_role("status")
        outage.refuse(1.5)
        await notice.get_by_text("The connection is lost").wait_for()
        assert await tab.wait_for(SAID) == "restarted"
        assert "This is a new one" in await notice.inner_text()
        await tab.settle()
        await add_one(tab, 1)
        outage.cut()
        assert await tab.wait_for(f"{OUTCOME} == 'resumed'")
        assert await tab.value("count") == 1
        assert not tab.toasts


async def test_a_restarted_server_is_found_by_a_visible_page(app, browser):
    with serve(app(PLAIN)) as server, Outage(server) as outage:
        tab = await browser.open(outage.url)
        await asyncio.to_thread(server.restart)
        assert await tab.wait_for(SAID, timeout=20) == "restarted"
        await tab.settle()
        await add_one(tab, 1)


async def test_the_next_attempt_comes_at_once_when_the_browser_is_online_or_visible(app, browser):
    slow = PLAIN.replace("reconnect()", "reconnect(retry=1000)")
    with serve(app(slow)) as server, Outage(server) as outage:
        tab = await browser.open(outage.url)
        for target, event in [("window", "online"), ("document", "visibilitychange")]:
            outage.refuse()
            await tab.wait_for(f"{OUTCOME} == 'lost'")
            attempts = len(tab.sockets)
            outage.restore()
            await asyncio.sleep(0.5)
            assert len(tab.sockets) == attempts  # it would wait for minutes
            await tab.page.evaluate(f"{target}.dispatchEvent(new Event('{event}'))")
            assert await tab.wait_for(SAID, timeout=2) == "resumed"
            await tab.settle()


async def test_attempts_are_few(plain, browser):
    with Outage(plain) as outage:
        tab = await browser.open(outage.url)
        before = len(tab.sockets)
        outage.refuse()
        await asyncio.sleep(2.5)
        assert 2 <= len(tab.sockets) - before <= 8


async def test_function_apps_with_a_template_and_own_words(app, browser, monkeypatch):
    path = app(FUNCTION, "own_module.py")
    with serve("own_module:make", env={"PYTHONPATH": str(path.parent)}) as server, Outage(server) as outage:
        tab = await browser.open(outage.url)
        await tab.click("add one")
        await tab.settle()
        outage.cut()
        await tab.page.get_by_role("status").get_by_text("Da sind wir wieder.").wait_for()
        assert await tab.value("count") == 1


async def test_no_document_is_kept_per_visit(short, browser):
    tab = None
    for _ in range(3):
        if tab is not None:
            await tab.close()
        tab = await browser.open(short.url)
    await asyncio.sleep(2.6)
    await tab.click("add one")
    await tab.wait_for("Bokeh.documents[0].all_models.size && true")
    await tab.settle()
    assert await tab.value("documents") == 1


@pytest.mark.parametrize(("options", "says"), [({"retry": 0}, "above 0"), ({"texts": {"gone": "x"}}, "no text 'gone'")])
def test_bad_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        reconnect(**options)


def test_outside_a_session_nothing_happens():
    reconnect()


# -- tickets ------------------------------------------------------------------------------------------------------

SIGNED = dict(BOKEH_SECRET_KEY="a key of the test", BOKEH_SIGN_SESSIONS="yes")
USERS = """
    def get_user(handler):
        return handler.get_argument("user", None) or handler.request.headers.get("X-User") or "nobody"

    def get_login_url(handler):
        return "/login"
"""


async def first_frame(url: str, token: str, user: str = "anna") -> str | None:
    """What the server says first to a page that presents ``token``; None if it hangs up."""
    request = HTTPRequest(url.replace("http", "ws", 1) + "/ws", headers={"X-User": user})
    socket = await websocket_connect(request, subprotocols=["bokeh", token])
    try:
        return await asyncio.wait_for(socket.read_message(), 5)
    finally:
        socket.close()


def accepted(frame: str | None) -> bool:
    return frame is not None and '"ACK"' in frame


async def ticket_of(browser, url: str) -> tuple[str, object]:
    tab = await browser.open(url)
    await tab.wait_for("Bokeh.documents[0]._message_callbacks.size > 0")
    await tab.page.evaluate(
        "Bokeh.documents[0].on_message('sessionlab_reconnect', (m) => { window.ticket = m.ticket })"
    )
    return await tab.wait_for("window.ticket", timeout=5), tab


async def test_a_ticket_is_for_one_living_session_and_one_user_in_signed_sessions_too(app, browser):
    login = app(USERS, "auth.py")
    flags = ["--auth-module", str(login), "--session-ids", "signed"]
    apps = [app(PLAIN, "one.py"), app(PLAIN, "two.py")]
    with serve(apps, lifetime=0.5, check=0.1, token_expiration=2, env=SIGNED, panel_args=flags) as server:
        one, two = server.urls["/one"], server.urls["/two"]
        ticket, tab = await ticket_of(browser, one + "?user=anna")
        session = get_session_id(ticket)

        assert accepted(await first_frame(one, ticket))
        assert await first_frame(one, ticket, user="ben") == '{"sessionlab_reconnect": "refused"}'
        assert await first_frame(two, ticket) == '{"sessionlab_reconnect": "refused"}'

        payload = {module.TYPE: get_token_payload(ticket)[module.TYPE]}
        key = SIGNED["BOKEH_SECRET_KEY"].encode()
        forged = generate_jwt_token(session, key[1:], True, payload, -1)
        assert await first_frame(one, forged) == '{"sessionlab_reconnect": "refused"}'
        without = generate_jwt_token(session, key, True, None, -1)  # what Bokeh itself sees in a ticket
        assert await first_frame(one, without) is None

        await tab.close()
        await asyncio.sleep(1)
        assert await first_frame(one, ticket) == '{"sessionlab_reconnect": "gone"}'
        before = server.probe.census().sessions if hasattr(server.probe, "census") else None
        assert await first_frame(one, ticket) == '{"sessionlab_reconnect": "gone"}'
        assert before is None or server.probe.census().sessions == before  # none was made


async def test_only_the_two_newest_tickets_are_good(app, browser):
    with serve(app(PLAIN), token_expiration=2) as server:
        old, tab = await ticket_of(browser, server.url)
        assert accepted(await first_frame(server.url, old))
        await tab.wait_for(f"window.ticket != {old!r}")
        new = await tab.page.evaluate("window.ticket")
        assert accepted(await first_frame(server.url, new))
        await tab.wait_for(f"window.ticket != {new!r}")
        assert await first_frame(server.url, old) == '{"sessionlab_reconnect": "gone"}'
        assert accepted(await first_frame(server.url, await tab.page.evaluate("window.ticket")))


async def test_ids_that_another_program_signs_keep_their_check(app, browser):
    from bokeh.util.token import generate_session_id

    key = SIGNED["BOKEH_SECRET_KEY"].encode()
    with serve(app(PLAIN), token_expiration=2, env=SIGNED, panel_args=["--session-ids", "signed"]) as server:
        ticket, tab = await ticket_of(browser, f"{server.url}?bokeh-session-id={generate_session_id(key, True)}")
        assert accepted(await first_frame(server.url, ticket))
        other = generate_session_id(key, True)
        number = {module.TYPE: get_token_payload(ticket)[module.TYPE]}
        stolen = generate_jwt_token(other, key, True, number, -1)  # only who has the key can make this one
        assert accepted(await first_frame(server.url, stolen))  # and it opens the ticket's own session, not `other`
        assert await tab.value("count") == 0
