"""`session_locals`: one namespace per session, found from everywhere in it, gone with it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
from bokeh.application.handlers.function import FunctionHandler
from bokeh.io.doc import patch_curdoc
from bokeh.models import TextInput
from in_process import InProcess
from panel.io.application import Application
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from sessionlab import serve, visit
from sessionlab.harden import session_locals
from sessionlab.harden.locals import SessionLocals

pytestmark = pytest.mark.usefixtures("preloaded")


class Data:
    """Something that can be counted."""


@pytest.fixture
async def server():
    def script(doc):
        with set_curdoc(doc):
            own = session_locals()
            own.data, own.widget, own.doc = Data(), TextInput(), doc  # refers back to its session
            doc.add_root(own.widget)

    return InProcess(Application(FunctionHandler(script)), io_loop=IOLoop.current())


async def test_each_session_has_its_own(server):
    a, b = [await server.create_session_if_needed(name) for name in "ab"]
    with set_curdoc(a.document):
        mine = session_locals()
        mine.value = 1
        assert session_locals() is mine
    with set_curdoc(b.document):
        assert session_locals() is not mine and "value" not in session_locals()


async def test_it_is_freed_with_its_session(server):
    """Although what is in it refers back to the Document; a dictionary with weak keys would keep both for ever."""
    alive = weakref.WeakSet()
    for i in range(20):
        session = await server.create_session_if_needed(f"session-{i}")
        with set_curdoc(session.document):
            alive.add(session_locals().data)
        session.request_expiration()
    del session
    gc.collect()
    assert len(alive) == 20
    await server._cleanup_sessions(10**9)
    gc.collect()
    assert len(alive) == 0


async def test_a_thread_that_keeps_the_namespace_does_not_keep_the_session(server):
    session = await server.create_session_if_needed("a")
    doc = weakref.ref(session.document)
    with set_curdoc(session.document):
        captured = session_locals()
    captured.clear()
    captured["text"] = "kept"
    session.request_expiration()
    del session
    await server._cleanup_sessions(10**9)
    gc.collect()
    assert doc() is None and captured.text == "kept"


def test_attributes_and_items_are_the_same():
    own = SessionLocals()
    own.a, own["b"] = 1, 2
    assert (own["a"], own.b, dict(own), len(own)) == (1, 2, {"a": 1, "b": 2}, 2)
    assert own.setdefault("c", 3) == 3 and own.pop("c") == 3 and own.get("c") is None
    assert repr(own) == "<session_locals of a, b>"
    del own.a
    with pytest.raises(AttributeError, match="this session has no 'a'; it has b"):
        own.a  # noqa: B018
    with pytest.raises(KeyError):
        own["a"]
    with pytest.raises(AttributeError, match="no 'a'"):
        del own.a
    with pytest.raises(AttributeError, match=r"'items' is a method .* session_locals\(\)\['items'\]"):
        own.items = 3
    own["items"] = 3
    assert own["items"] == 3 and ("items", 3) in own.items()


async def test_outside_a_session_and_in_a_thread_that_knows_of_none(server):
    with pytest.raises(RuntimeError, match="outside one"):
        session_locals()
    session = await server.create_session_if_needed("a")
    found = []

    def work():
        try:
            found.append(session_locals())
        except RuntimeError as error:
            found.append(error)

    with patch_curdoc(session.document):  # what Bokeh shows to every thread while this session is served
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    with set_curdoc(session.document):
        await asyncio.to_thread(work)
        assert isinstance(found[0], RuntimeError) and found[1] is session_locals()


APP = """
    import asyncio, threading
    import panel as pn
    from sessionlab.harden import on_session_destroyed, session_locals

    own = session_locals()
    own.name = pn.state.session_args.get("name", [b"-"])[0].decode()
    text = pn.widgets.TextInput(name="text")

    def here(kind):
        return f"{kind} {session_locals().name}"

    def say(kind):
        text.value = here(kind)

    def sync(event):
        say("sync")

    async def coroutine(event):
        await asyncio.sleep(0.01)
        say("coroutine")

    def thread(event):
        captured = session_locals()
        threading.Thread(target=lambda: setattr(text, "value", f"thread {captured.name}")).start()

    def later(event):
        pn.state.add_periodic_callback(lambda: say("periodic"), 10, count=1)

    onload = pn.widgets.TextInput(name="onload")
    pn.state.onload(lambda: setattr(onload, "value", here("onload")))
    on_session_destroyed(lambda context: print("LOCALS", here("hook"), flush=True))
    buttons = [pn.widgets.Button(name=f.__name__, on_click=f) for f in (sync, coroutine, thread, later)]
    pn.Column(text, onload, *buttons).servable()
"""


@pytest.mark.slow("callbacks of every kind, on threads too")
@pytest.mark.server
@pytest.mark.parametrize("threads", [[], ["--num-threads", "2"]], ids=["", "threads"])
async def test_found_from_callbacks_of_every_kind(app, threads):
    """Two visitors at once: nobody sees the other's."""

    async def look(server, name):
        async with visit(f"{server.url}?name={name}") as session:
            await session.wait_for("onload", value=f"onload {name}")
            for button, said in (
                ("sync", "sync"),
                ("coroutine", "coroutine"),
                ("thread", "thread"),
                ("later", "periodic"),
            ):
                await session.click(button)
                await session.wait_for("text", value=f"{said} {name}")

    with serve(app(APP), lifetime=0.3, check=0.1, panel_args=threads) as server:
        await asyncio.gather(look(server, "ann"), look(server, "bob"))
        for name in ("ann", "bob"):
            await asyncio.to_thread(server.log.wait_for, f"LOCALS hook {name}")
