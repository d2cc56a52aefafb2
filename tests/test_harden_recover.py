"""recover_inputs: declared values survive the session, and nothing else can be slipped in or read out."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json

import panel as pn
import param
import pytest
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.document.events import MessageSentEvent
from in_process import InProcess
from machine import shows_again
from panel.io.application import Application
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from sessionlab import Outage, serve
from sessionlab.client.browser import Browser
from sessionlab.harden import recover as module
from sessionlab.harden import recover_inputs

pytestmark = pytest.mark.usefixtures("preloaded")

W = pn.widgets
APP = """
    import secrets
    import panel as pn
    from sessionlab.harden import recover_inputs

    pn.extension(notifications=True, reconnect=True)
    note = pn.widgets.TextInput(name="note", value="empty")
    year = pn.widgets.IntSlider(name="year", start=2000, end=2030, value=2000)
    kind = pn.widgets.Select(name="kind", options={"one": object(), "two": object()})
    other = pn.widgets.TextInput(name="other", value="empty")
    born = pn.pane.HTML(f"session {secrets.token_hex(8)}")
    echo = pn.pane.HTML(pn.bind(lambda n, y, k: f"{n} {y} {k is kind.options['two']}", note, year, kind))
    recover_inputs(note, year, chosen=kind)
    pn.Column(note, year, kind, other, echo, born).servable()
"""


class Page:
    """One session with declared inputs, and what it has sent to its page."""

    def __init__(self, session):
        self.session, self.sent = session, []
        session.document.on_change(self._noted)

    def _noted(self, event):
        if isinstance(event, MessageSentEvent):
            self.sent.append(event.msg_data)

    async def says(self, stored):
        """The page hands over what it has kept, and gets what it should keep."""
        await self.session.with_document_locked(lambda: self._hear(stored))
        return self.sent[-1]

    def _hear(self, stored):
        for callback in self.session.document.callbacks._message_callbacks[module.TYPE]:
            callback(stored)


@pytest.fixture
async def page():
    """`await page(note=widget)` declares inputs in a new session of one application, by default of nobody."""
    context = InProcess(Application(DocumentLifecycleHandler()), io_loop=IOLoop.current(), url="/app")
    numbers = iter(range(10))

    async def make(*widgets, route: str = "/app", **options):
        context._url = route
        session = await context.create_session_if_needed(f"session {next(numbers)}")
        with set_curdoc(session.document):
            recover_inputs(*widgets, **options)
        return Page(session)

    return make


KINDS = {
    "text": (lambda: W.TextInput(name="x"), "words"),
    "number": (lambda: W.FloatInput(name="x"), 2.5),
    "slider": (lambda: W.IntSlider(name="x", start=0, end=9), 7),
    "range": (lambda: W.RangeSlider(name="x", start=0, end=9), (2, 3)),
    "typed into a slider": (lambda: W.EditableIntSlider(name="x", start=0, end=9), 12),
    "choice": (lambda: W.Select(name="x", options={"a": [1], "b": [2]}), [2]),
    "choices": (lambda: W.MultiSelect(name="x", options={"a": 1, "b": 2.5, "c": 3}), [3, 1]),
    "completed text": (lambda: W.AutocompleteInput(name="x", options=["a"], restrict=False), "b"),
    "day": (lambda: W.DatePicker(name="x"), dt.date(2024, 2, 29)),
    "moment": (lambda: W.DatetimeInput(name="x"), dt.datetime(2024, 2, 29, 12, 30)),
    "days": (
        lambda: W.DateRangeSlider(name="x", start=dt.date(2024, 1, 1), end=dt.date(2024, 12, 31)),
        (dt.date(2024, 2, 1), dt.date(2024, 3, 1)),
    ),
    "switch": (lambda: W.Switch(name="x"), True),
    "structure": (lambda: W.JSONEditor(name="x", value={}), {"a": [1, None]}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_session_gets_the_value(page, kind):
    make, value = KINDS[kind]
    before, after = make(), make()
    old = await page(before)
    assert (await old.says(None)) != ""
    before.value = value
    kept = await old.says(None)
    await (await page(after)).says(kept)
    assert after.value == value and type(after.value) is type(value)


async def test_parameters_can_be_declared_too(page):
    class Settings(param.Parameterized):
        limit = param.Integer(3, bounds=(0, 10))

    before, after = Settings(limit=5), Settings()
    kept = await (await page(before.param.limit)).says(None)
    await (await page(after.param.limit)).says(kept)
    assert after.limit == 5


async def test_values_are_set_in_the_order_of_the_declaration(page):
    order = []
    widgets = {name: W.TextInput(name=name) for name in "abc"}
    for name, widget in widgets.items():
        widget.param.watch(lambda event, name=name: order.append(name), "value")
    old = await page(*(W.TextInput(name=name, value="new") for name in "abc"))
    await (await page(widgets["c"], widgets["a"], widgets["b"])).says(await old.says(None))
    assert order == ["c", "a", "b"]


async def test_a_session_that_has_begun_is_not_overwritten(page):
    old = await page(W.TextInput(name="x", value="old"))
    kept = await old.says(None)
    text = W.TextInput(name="x")
    new = await page(text)
    await new.says(None)
    text.value = "typed since"
    await new.says(kept)  # the page reconnects, and has kept something else
    assert text.value == "typed since"


async def test_what_does_not_fit_any_more_is_left_alone(page):
    old = await page(
        W.Select(name="kind", options=["a", "gone"], value="gone"),
        W.IntSlider(name="year", start=0, end=100, value=100),
        W.TextInput(name="note", value="kept"),
        W.TextInput(name="removed", value="from the application"),
    )
    kind, year = W.Select(name="kind", options=["a", "b"]), W.IntSlider(name="year", start=0, end=50)
    note, added = W.TextInput(name="note"), W.TextInput(name="added", value="since")
    new = await page(kind, year, note, added)
    await new.says(await old.says(None))
    assert (kind.value, year.value, note.value, added.value) == ("a", 0, "kept", "since")


def forged(kept: str, **changes) -> str:
    body, _, signature = kept.rpartition(".")
    content = json.loads(base64.urlsafe_b64decode(body)) | changes
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode() + "." + signature


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: forged(kept, values={"x": "forged"}),
        lambda kept: kept[:-3] + "AAA",
        lambda kept: kept.rpartition(".")[0] + ".",
        lambda kept: "…" + kept,
        lambda kept: "",
        lambda kept: 17,
        lambda kept: {"values": {"x": "forged"}},
    ],
)
async def test_what_the_server_has_not_signed_is_ignored(page, spoil):
    kept = await (await page(W.TextInput(name="x", value="old"))).says(None)
    text = W.TextInput(name="x", value="as made")
    new = await page(text)
    await new.says(spoil(kept))
    assert text.value == "as made"
    assert await new.says(None)  # and the conversation goes on


async def test_what_is_signed_is_good_for_its_application_its_user_and_its_time_only(page, monkeypatch):
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now)  # no second passes but those below
    kept = await (await page(W.TextInput(name="x", value="old"))).says(None)

    async def accepted(**options) -> bool:
        text = W.TextInput(name="x", value="as made")
        await (await page(text, **options)).says(kept)
        return text.value == "old"

    assert await accepted()
    assert not await accepted(route="/other")
    with monkeypatch.context() as patch:
        patch.setattr(type(pn.state), "user", "anna")
        assert not await accepted()
    with monkeypatch.context() as patch:
        patch.setattr(module.time, "time", lambda: now + 100)
        assert await accepted(max_age=101) and not await accepted(max_age=98)
    monkeypatch.setenv("BOKEH_SECRET_KEY", "another key")
    assert not await accepted()


async def test_the_size_is_bounded_and_the_largest_value_goes_first(page, caplog):
    text, note = W.TextInput(name="text", value="x" * 5000), W.TextInput(name="note", value="short")
    old = await page(text, note, max_bytes=500)
    caplog.clear()
    kept = await old.says(None)
    await old.says(None)
    assert len(kept) <= 500
    assert [r.getMessage() for r in caplog.records] == ["recover_inputs does not keep text (more than 500 bytes)"]
    new_text, new_note = W.TextInput(name="text"), W.TextInput(name="note")
    await (await page(new_text, new_note)).says(kept)
    assert (new_text.value, new_note.value) == ("", "short")
    third = W.TextInput(name="note", value="as made")
    await (await page(third, max_bytes=50)).says(kept)  # larger than this application lets a page keep
    assert third.value == "as made"


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: W.PasswordInput(name="x"), "is a secret"),
        (lambda: W.TextInput(name="API key"), "is a secret"),
        (lambda: W.FileInput(name="x"), "no value that could be set again"),
        (lambda: W.Button(name="x"), "no value that could be set again"),
        (lambda: W.TextInput(value="x"), "has no name"),
        (lambda: W.LiteralInput(name="x", value={1, 2}), "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused(declare, says):
    with pytest.raises(ValueError, match=says):
        recover_inputs(declare())


def test_secrets_are_refused_under_another_name_too():
    with pytest.raises(ValueError, match="is a secret"):
        recover_inputs(harmless=W.PasswordInput())
    with pytest.raises(ValueError, match="is a secret"):
        recover_inputs(harmless=W.TextInput(name="Password"))
    with pytest.raises(TypeError, match="takes widgets"):
        recover_inputs("note")


async def test_two_inputs_of_one_name_are_refused(page):
    with pytest.raises(ValueError, match="two inputs of the name 'x'"):
        await page(W.TextInput(name="x"), W.IntInput(name="x"))


def test_outside_a_session_nothing_happens():
    recover_inputs(W.TextInput(name="x"))


@pytest.mark.slow("a browser waits through a restart")
@pytest.mark.server
@shows_again
async def test_in_a_browser_values_outlive_the_session_and_the_server(app):
    environment = {"BOKEH_SECRET_KEY": "the same in every process"}
    with serve(app(APP), lifetime=0.4, check=0.1, env=environment) as server, Outage(server) as outage:
        async with Browser() as browser, await browser.open(outage.url) as tab:
            echo, other = tab.page.get_by_text("typed 2003 True"), tab.page.get_by_label("other")
            sessions = []

            async def another_session() -> bool:
                name = await tab.page.get_by_text("session ").inner_text()
                return name not in sessions and sessions.append(name) is None

            await tab.wait_for(another_session)
            await tab.fill("note", "typed")
            await tab.slide("year", 3)
            await tab.page.get_by_label("kind").select_option("two")
            await tab.fill("other", "not declared")
            await echo.wait_for()
            await tab.settle()

            outage.refuse(seconds=1.5)  # for longer than the session lives; the page comes back by itself
            await tab.wait_for(another_session, timeout=30)
            await echo.wait_for()
            assert await tab.page.get_by_label("note").input_value() == "typed"
            assert await other.input_value() == "empty"

            await asyncio.to_thread(server.restart)
            await tab.page.reload()
            await tab.wait_for(another_session)
            await echo.wait_for()

            await tab.page.evaluate("sessionStorage.setItem(Object.keys(sessionStorage)[0], 'forged')")
            await tab.page.reload()
            await tab.wait_for(another_session)
            await tab.page.get_by_text("empty 2000 False").wait_for()
            assert not tab.errors
