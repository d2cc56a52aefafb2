"""The timeline: what real servers report of real visits, as events, a table and a picture."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
import tornado.httpclient
import tornado.websocket
from bokeh.util.token import generate_jwt_token

from sessionlab import serve, visit
from sessionlab.errors import ConnectionRefused, VisitFailed
from sessionlab.probe.timeline import Timeline

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

APP = """
    import panel as pn

    pn.extension()
    if pn.state.location and "fail" in pn.state.location.query_params:
        raise ValueError("planted")
    here = pn.state.curdoc.session_context

    def block(event):
        here.session.block_expiration()

    def unblock(event):
        here.session.unblock_expiration()

    def cleanup(context):
        pass

    def broken(context, error=KeyError("planted")):
        raise error

    async def forgotten(context):
        pass

    for hook in (cleanup, broken, forgotten):
        pn.state.on_session_destroyed(hook)
    actions = dict(block=block, unblock=unblock)
    pn.Row(*(pn.widgets.Button(name=name, on_click=action) for name, action in actions.items())).servable()
"""
SETUP = """
    import panel as pn

    def greet(context):
        pass

    pn.state.on_session_created(greet)
"""


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(APP.splitlines(), 1) if text in line)


@pytest.fixture(scope="module")
def server(app):
    setup = app(SETUP, "setup.py")
    with serve(app(APP), lifetime=0.8, check=0.2, panel_args=["--setup", str(setup)]) as server:
        yield server


async def until(probe, event: str, session_id: str, seconds: float = 8.0) -> None:
    """Wait for an event of one session."""

    def watch():
        for found in probe.follow(since=1, timeout=seconds):
            if found["event"] == event and found["id"] == session_id:
                return True
        return False

    assert await asyncio.to_thread(watch), f"no {event} within {seconds} s"


def of(timeline: Timeline, session_id: str) -> list[dict]:
    return [e for e in timeline.events if e["id"] == session_id]


async def test_the_whole_life_of_a_session(server):
    server.probe.reset()
    session = await visit(server.url)
    await session.drop()
    await asyncio.sleep(0.2)
    await session.reconnect()
    await session.close()
    await until(server.probe, "destroyed", session.id)
    timeline = server.probe.timeline()
    events = [e for e in of(timeline, session.id) if not e["event"].startswith("hook")]
    assert [e["event"] for e in events] == (
        "created connected disconnected reconnected disconnected discarded destroyed".split()  # noqa: SIM905
    )
    created, _, cut, back, closed, discarded, destroyed = events
    assert (created["via"], created["app"], created["session"]) == ("page", "/app", 1) and created["seconds"] > 0
    assert back["outcome"] == "resumed" and 0.15 < back["away"] < 0.7
    assert (cut["code"], closed["code"]) == (None, 1001)
    assert 0.8 <= discarded["idle"] < 2.0 and destroyed["age"] > discarded["idle"]
    times = [e["t"] for e in timeline.events]
    assert times == sorted(times) and timeline.now >= times[-1]


async def test_hooks_tell_that_they_ran_or_failed(server):
    session = await visit(server.url)
    await session.close()
    await until(server.probe, "destroyed", session.id)
    await asyncio.to_thread(server.probe.census)  # the hooks run after the session is destroyed
    hooks = {e["callback"].split()[0]: e for e in of(server.probe.timeline(), session.id) if "hook" in e}
    assert hooks["greet"]["event"] == "hook run" and hooks["greet"]["hook"] == "on_session_created"
    assert hooks["cleanup"]["event"] == "hook run"
    assert hooks["cleanup"]["callback"] == f"cleanup (app.py:{line_of('def cleanup')})"
    assert hooks["broken"]["event"] == "hook failed" and "KeyError" in hooks["broken"]["error"]
    assert hooks["forgotten"]["event"] == "hook failed" and "nobody awaits" in hooks["forgotten"]["error"]
    assert len(hooks) == 4
    logged = server.log.matching("on_session_destroyed callback")
    assert any("function broken" in str(line) for line in logged), "the server's own log line has changed"


async def test_a_session_that_was_gone_restarts(server):
    session = await visit(server.url)
    await session.drop()
    await until(server.probe, "destroyed", session.id)
    await session.reconnect()
    await session.close()
    events = [e for e in of(server.probe.timeline(), session.id) if e["event"] in ("created", "reconnected")]
    assert [(e["event"], e.get("via"), e.get("outcome")) for e in events] == [
        ("created", "page", None),
        ("created", "websocket", None),
        ("reconnected", None, "restarted"),
    ]
    assert events[2]["session"] == events[1]["session"] != events[0]["session"]


async def test_blocks_of_the_application_and_only_those(server):
    async with visit(server.url) as session:
        for name in ("block", "block", "unblock", "unblock"):
            await session.click(name)  # Bokeh's own lock blocks around each of these messages
        with pytest.raises(VisitFailed, match="mismatched"):  # one too many takes the lock's own block
            await session.click("unblock")
    events = [e for e in of(server.probe.timeline(), session.id) if "block" in e["event"]]
    assert [(e["event"], e["blocks"]) for e in events] == [
        ("blocked", 1), ("blocked", 2), ("unblocked", 1), ("unblocked", 0), ("unblocked", 0), ("unblock failed", 0),
    ]  # fmt: skip
    assert events[0]["where"] == f"app.py:{line_of('block_expiration()')}"
    assert (events[0]["callback"], events[2]["callback"]) == ("block", "unblock")


async def test_refused_tokens_and_origins(server):
    async with visit(server.url) as session:
        await session.drop()
        expired = generate_jwt_token(session.id, expiration=-10)
        address, token = session.page.websocket_url, session.token
        session.page = dataclasses.replace(session.page, text=session.page.text.replace(token, expired))
        with pytest.raises(ConnectionRefused):
            await session.reconnect()
        request = tornado.httpclient.HTTPRequest(address, headers={"Origin": "http://elsewhere.example"})
        with pytest.raises(tornado.httpclient.HTTPClientError):
            await tornado.websocket.websocket_connect(request, subprotocols=["bokeh", token])
    refused = [e for e in server.probe.timeline().events if e["event"] == "refused"]
    assert "expired" in refused[-2]["reason"] and refused[-2]["id"] == session.id
    assert "elsewhere.example is not allowed" in refused[-1]["reason"]


async def test_an_application_that_fails_is_in_the_timeline(server):
    async with visit(server.url + "?fail=1") as session:
        pass
    (failed,) = [e for e in of(server.probe.timeline(), session.id) if e["event"] == "failed"]
    assert "planted" in failed["error"]


async def test_a_page_that_is_older_than_the_server_restarts(server):
    session = await visit(server.url)
    await asyncio.to_thread(server.restart)
    await session.reconnect()
    events = of(server.probe.timeline(), session.id)
    assert [
        (e["event"], e.get("outcome")) for e in events if e["event"] in ("created", "connected", "reconnected")
    ] == [
        ("created", None),
        ("reconnected", "restarted"),
    ]
    await session.close()


async def test_follow_gives_events_as_they_happen(server):
    following = asyncio.create_task(asyncio.to_thread(lambda: list(server.probe.follow(timeout=0.7))))
    await asyncio.sleep(0.2)
    async with visit(server.url) as session:
        pass
    names = [e["event"] for e in await following if e["id"] == session.id]
    assert names[:4] == ["hook run", "created", "connected", "disconnected"]


def test_the_observer_met_no_fault_and_logged_no_element(server):
    assert server.probe.hello()["errors"] == []
    assert str(server.probe.elements()) == "the element log is off", "it is on although nobody asked for it"


# -- as a table and a picture -----------------------------------------------------------------------------


def event(t, name, session=1, **more):
    return {"n": int(t * 10), "t": 100.0 + t, "event": name, "session": session, "id": f"id{session}", **more}


STORY = Timeline(
    events=(
        event(0, "created", via="page", seconds=0.1, app="/app"),
        event(1, "connected", connections=1),
        event(2, "disconnected", connections=0, code=None),
        event(3, "reconnected", outcome="resumed", away=1.0, connections=1),
        event(3.5, "blocked", blocks=1, where="app.py:3", callback="work"),
        event(4, "disconnected", connections=0, code=1001),
        event(5, "created", session=2, via="page", seconds=0.1, app="/app"),
        event(6, "unblocked", blocks=0, where="app.py:9", callback="work"),
        event(7, "destroyed", age=7.0),
        event(7.5, "refused", session=None, reason="Token is expired."),
    ),
    memory=((100.0, 80e6), (105.0, 95e6)),
    now=108.0,
    next=80,
)


def test_spans_cut_a_life_into_states():
    spans = [(s.session, s.state, s.begin, s.end) for s in STORY.spans()]
    assert [s for s in spans if s[0] == 1] == [
        (1, "new", 0, 1), (1, "connected", 1, 2), (1, "disconnected", 2, 3), (1, "connected", 3, 4),
        (1, "blocked", 3.5, 6), (1, "disconnected", 4, 7),
    ]  # fmt: skip
    assert [s for s in spans if s[0] == 2] == [(2, "new", 5, 8)]


def test_the_table_has_a_row_for_each_event():
    frame = STORY.frame()
    assert list(frame["time"]) == [0, 1, 2, 3, 3.5, 4, 5, 6, 7, 7.5]
    assert frame.loc[3, "detail"] == "resumed after 1.0 s"
    assert frame.loc[4, "where"] == "app.py:3" and frame.loc[0, "app"] == "/app"
    assert str(STORY).splitlines()[2].endswith("disconnected  the wire was cut")


def test_the_picture_and_its_words():
    figure = STORY.plot()
    bars, line = figure.axes
    assert sorted((p.get_x(), p.get_width()) for p in bars.patches) == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 3), (5, 3)]
    assert list(line.lines[0].get_ydata()) == [80, 95]
    hatches = {p.get_facecolor(): p.get_hatch() for p in bars.patches}
    assert len(set(hatches.values())) == len(hatches) == 3, "states must differ by more than their colour"
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"connected", "disconnected", "expiration blocked", "reconnected: resumed", "token refused"} <= labels
    assert STORY.alt_text() == (
        "A bar for each of 2 sessions over 8 seconds, at most 2 at a time: 1 connected, 2 disconnected, 1 resumed, "
        "1 refused for their token, 1 blocked from expiring, 1 destroyed. Memory was between 80 and 95 MB."
    )
    page = STORY._repr_html_()
    assert page.count("<svg") == 1 and 'aria-label="A bar for each of 2 sessions' in page


def test_an_empty_timeline_shows_itself():
    empty = Timeline((), (), 5.0, 1)
    assert (str(empty), empty.alt_text(), len(empty.frame())) == ("no events", "A timeline without any session.", 0)
    assert "<svg" in empty._repr_html_()
