"""persist: values outlive the session and the process, and nobody else reads or makes them."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import itertools
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import panel as pn
import param
import pytest
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.document.events import MessageSentEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import InProcess
from machine import browser_or_skip
from panel.io.application import Application
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from sessionlab import serve, visit
from sessionlab.client.browser import Browser
from sessionlab.client.storage import Storage
from sessionlab.disturb import Outage
from sessionlab.harden import persist, sealing, stores
from sessionlab.harden import persisting as module
from sessionlab.harden.inputs import Kept
from sessionlab.harden.stores import MemoryStore, RedisStore, SqliteStore, open_store
from sessionlab.leaks import hunt
from sessionlab.loopback import free_port

W = pn.widgets


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Files and keys of this test only."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SESSIONLAB_STORE", raising=False)
    monkeypatch.setenv("SESSIONLAB_KEY", "a key of these tests")
    sealing._of_this_user.cache_clear()
    module._stores.clear()


class Tab:
    """One session, as its page sees it: what it says, and what it is told."""

    def __init__(self, session):
        self.session, self.sent = session, []
        session.document.on_change(self._noted)

    def _noted(self, event):
        if isinstance(event, MessageSentEvent):
            self.sent.append((event.msg_type, event.msg_data))

    @property
    def kept(self):
        return vars(self.session.document)[module.reconnecting.PERSISTED]

    @property
    def id(self):
        return [data for kind, data in self.sent if kind == module.TYPE][-1]

    @property
    def told(self):
        return [data["say"] for kind, data in self.sent if kind == module.reconnecting.TYPE and "say" in data]

    async def says(self, stored):
        """The page hands over its id, and hears whether values came back."""
        answered = asyncio.get_running_loop().create_future()
        self.kept.when_restored(lambda restored: answered.done() or answered.set_result(restored))

        def hear():
            for callback in self.session.document.callbacks._message_callbacks[module.TYPE]:
                callback(stored)

        await self.session.with_document_locked(hear)
        return await asyncio.wait_for(answered, 10)

    async def written(self):
        for group in self.kept.groups.values():
            await group.flush()


@pytest.fixture
async def tab():
    """`await tab(store, widget, …)` declares values in a new session of one application."""
    context = InProcess(Application(DocumentLifecycleHandler()), io_loop=IOLoop.current(), url="/app")
    numbers = itertools.count()

    async def make(store, *things, route: str = "/app", user: str | None = None, **options):
        context._url = route
        session = await context.create_session_if_needed(f"session {next(numbers)}")
        with set_curdoc(session.document), pytest.MonkeyPatch.context() as patch:
            patch.setattr(module._Page, "_user", staticmethod(lambda doc: user))
            persist(*things, store=store, **options)
        return Tab(session)

    return make


class Size(param.Parameterized):
    width = param.Integer(3, bounds=(0, 10))


class Settings(param.Parameterized):
    limit = param.Integer(5)
    names = param.List(["a"])
    when = param.Date(dt.datetime(2024, 2, 29))
    table = param.DataFrame(pd.DataFrame({"x": [1.5]}))
    grid = param.Array(np.arange(3))
    size = param.ClassSelector(class_=Size)
    fixed = param.Integer(1, constant=True)
    pane = param.Parameter(pn.pane.Str("shown"))
    go = param.Event()


async def test_everything_of_an_object_comes_back(tab):
    store, before, after = MemoryStore(), Settings(size=Size()), Settings(size=Size())
    first = await tab(store, before)
    assert await first.says(None) is False
    values = {"limit": 7, "names": ["b", "c"], "when": dt.datetime(2025, 1, 2, 3, 4), "grid": np.array([[1.5, np.nan]])}
    table = pd.DataFrame({"n": [1, 2], "s": ["a", None], "t": pd.to_datetime(["2024-01-01", None])}, index=["i", "j"])
    before.param.update(table=table, **values)
    before.size.width = 9
    await first.written()
    second = await tab(store, after)
    assert await second.says(first.id) is True
    assert (after.limit, after.names, after.when, after.size.width) == (7, ["b", "c"], values["when"], 9)
    np.testing.assert_array_equal(after.grid, values["grid"])
    pd.testing.assert_frame_equal(after.table, before.table)
    assert set(second.kept.groups["tab"].inputs) == {f"Settings.{n}" for n in (*values, "table", "size.width")}


async def test_selections_by_label_in_the_order_of_declaration_and_what_does_not_fit_is_left(tab):
    store, order = MemoryStore(), []

    def make():
        return W.Select(name="kind", options={"one": [1], "two": [2]}), W.IntSlider(name="n", end=9), W.TextInput()

    kind, number, text = make()
    first = await tab(store, kind, number, note=text)
    await first.says(None)
    kind.value, number.value, text.value = [2], 8, "words"
    await first.written()
    kind, number, text = make()
    number.end = 5
    for widget in (kind, number, text):
        widget.param.watch(lambda event: order.append(event.obj), "value")
    second = await tab(store, kind, number, note=text)
    assert await second.says(first.id) is True
    assert (kind.value, number.value, text.value) == ([2], 0, "words") and order == [kind, text]


async def test_a_new_tab_starts_afresh_and_a_duplicate_goes_its_own_way(tab):
    store, widgets = MemoryStore(), [W.TextInput(name="note") for _ in range(4)]
    first = await tab(store, widgets[0])
    await first.says(None)
    widgets[0].value = "mine"
    await first.written()
    assert await (await tab(store, widgets[1])).says(None) is False and widgets[1].value == ""
    with pytest.MonkeyPatch.context() as patch:  # the first is connected
        patch.setattr(type(first.session), "connection_count", property(lambda self: 1))
        copy = await tab(store, widgets[2])
        assert await copy.says(first.id) is True and widgets[2].value == "mine"
    assert copy.id != first.id
    widgets[2].value = "the copy's"
    await copy.written()
    again = await tab(store, widgets[3])
    await again.says(first.id)
    assert widgets[3].value == "mine"


async def test_a_user_finds_the_same_in_every_tab_and_the_other_one_is_told(tab, monkeypatch):
    store, one, two, other = MemoryStore(), *(W.TextInput(name="note") for _ in range(3))
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append((page, what)))
    told: list = []
    first = await tab(store, one, user="ann", key="user")
    await first.says(None)
    one.value = "hers"
    await first.written()
    second = await tab(store, two, user="ann", key="user")
    assert await second.says(None) is True and two.value == "hers"
    two.value = "later"
    await second.written()
    await until(lambda: told)
    assert told == [(first.kept, "elsewhere")]
    one.value = "latest"
    await first.written()  # it comes after the revision of which it was told
    await until(lambda: len(told) > 1)
    assert told[1:] == [(second.kept, "elsewhere")]
    ((place, (sealed, _)),) = store._values.items()
    assert json.loads(sealing.unseal(sealed, place))["revision"] == 3
    third = await tab(store, other, user="bob", key="user")
    assert await third.says(None) is False and other.value == ""
    with pytest.raises(ValueError, match="nobody is logged in"):
        await tab(store, W.TextInput(name="x"), key="user")


async def test_a_user_is_told_of_a_change_that_another_process_has_kept(tab, monkeypatch):
    store, here, there = MemoryStore(), W.TextInput(name="note"), W.TextInput(name="note")
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append((page, what)))
    told: list = []
    first = await tab(store, here, user="ann", key="user")
    await first.says(None)
    second = await tab(store, there, user="ann", key="user")
    await second.says(None)
    monkeypatch.setattr(module, "_groups", weakref.WeakSet())  # as in two processes, neither knows of the other
    there.value = "on the phone"
    await second.written()
    assert told == []
    for text in ("at the desk", "still at the desk"):
        here.value = text
        await first.written()
    await until(lambda: told)
    assert told == [(first.kept, "elsewhere")]  # once: the second change follows on her own


async def test_versions(tab):
    store, one = MemoryStore(), W.TextInput(name="note")
    first = await tab(store, one)
    await first.says(None)
    one.value = "old"
    await first.written()

    async def reads(version, migrate=None):
        widget = W.TextInput(name="note")
        page = await tab(store, widget, version=version, migrate=migrate)
        return await page.says(first.id), widget.value

    assert await reads(2) == (False, "")
    assert await reads(0) == (False, "")  # of the future
    assert await reads(2, lambda version, values: {"note": f"{values['note']}, of {version}"}) == (True, "old, of 1")
    assert await reads(2, lambda version, values: {}["x"]) == (False, "")  # it raises
    assert await reads(1) == (True, "old")


class Away(MemoryStore):
    """A store that can be away, slow or full."""

    def __init__(self):
        super().__init__()
        self.error: Exception | None = None

    async def get(self, key):
        await self._maybe()
        return await super().get(key)

    async def set(self, key, value, seconds):
        await self._maybe()
        await super().set(key, value, seconds)

    async def _maybe(self):
        if isinstance(self.error, TimeoutError):
            await asyncio.sleep(60)
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [OSError("disk full"), ConnectionError("away"), TimeoutError("slow")])
async def test_a_store_that_is_away_stops_nobody_and_is_tried_again(tab, monkeypatch, caplog, error):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "LONGEST", 0.05)
    told: list = []
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append(what))
    store, one = Away(), W.TextInput(name="note")
    first = await tab(store, one)
    await first.says(None)
    errors = module.counts["errors"]
    store.error = error
    for text in ("a", "b", "kept"):
        one.value = text
        await first.written()
    assert module.counts["errors"] >= errors + 3
    store.error = None
    await until(lambda: "back" in told and not first.kept.groups["tab"].dirty)
    assert told == ["away", "back"]
    assert sum("cannot be written" in record.message for record in caplog.records) == 1
    # and read again when it is back; what the user changed meanwhile is not overwritten
    store.error, fresh, other = error, W.TextInput(name="note"), W.TextInput(name="other")
    second = await tab(store, fresh, other)
    asking = asyncio.ensure_future(second.says(first.id))
    await until(lambda: told.count("away") == 2)
    other.value = "typed"
    store.error = None
    assert await asking is True and (fresh.value, other.value) == ("kept", "typed")


async def test_a_place_that_cannot_be_made_is_said_and_tried_again(tab, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 0.05)
    told: list = []
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append(what))
    (tmp_path / "in the way").write_text("a file, where a folder has to be")
    one = W.TextInput(name="note")
    first = await tab(tmp_path / "in the way" / "state.sqlite", one)
    await first.says(None)
    one.value = "words"
    await first.written()
    await until(lambda: told)
    (tmp_path / "in the way").unlink()
    await until(lambda: "back" in told)
    assert told == ["away", "back"] and await kept_in(tmp_path / "in the way")


async def test_a_clock_that_is_set_back_takes_nothing_away(tab, monkeypatch):
    store, one, two = MemoryStore(), W.TextInput(name="note"), W.TextInput(name="note")
    first = await tab(store, one)
    await first.says(None)
    one.value = "before"
    await first.written()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    second = await tab(store, two)
    assert await second.says(first.id) is True and two.value == "before"
    two.value = "after"
    await second.written()
    third = await tab(store, one)
    assert await third.says(second.id) is True and one.value == "after"


@pytest.mark.slow("a thousand sessions")
async def test_a_thousand_tabs_of_one_user(tab, tmp_path, monkeypatch):
    told: list = []
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append(what))
    store, hers = SqliteStore(tmp_path / "state.sqlite"), [W.TextInput(name="note") for _ in range(1000)]
    tabs = [await tab(store, widget, user="ann") for widget in hers]
    for page in tabs:
        await page.says(None)
    for number, widget in enumerate(hers):
        widget.value = f"of tab {number}"
    for page in tabs:
        await page.written()
    rows = await store._do("SELECT length(value) FROM state")
    assert len(rows) == 1000 and sum(size for (size,) in rows) < 500_000  # bytes
    again = W.TextInput(name="note")
    later = await tab(store, again, user="ann")
    assert await later.says(tabs[-1].id) is True and again.value == "of tab 999"
    assert told == []


async def until(condition) -> None:
    """Until something is so that the event loop brings about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_too_much_is_left_out_and_said(tab, caplog, monkeypatch):
    told: list = []
    monkeypatch.setattr(module._Page, "tell", lambda page, what: told.append(what))
    store, small, large = MemoryStore(), W.TextInput(name="small"), W.TextInput(name="large")
    page = await tab(store, small, large, max_bytes=100)
    await page.says(None)
    small.value, large.value = "s", "l" * 200
    await page.written()
    await until(lambda: told)
    (sealed, _), *_ = store._values.values()
    place = next(iter(store._values))
    assert json.loads(sealing.unseal(sealed, place))["values"] == {"small": "s"}
    assert "large (more than 100 bytes)" in caplog.text and told == ["large"]


async def test_what_is_refused_at_declaration(tab, monkeypatch):
    class Odd(param.Parameterized):
        thing = param.Parameter(object())

    with pytest.raises(ValueError, match=r"'Odd.thing' cannot be written as JSON"):
        await tab(MemoryStore(), Odd())
    with pytest.raises(ValueError, match="two values of the name 'a'"):
        await tab(MemoryStore(), W.TextInput(name="a"), a=W.TextInput())
    with pytest.raises(ValueError, match="has no name"):
        await tab(MemoryStore(), W.TextInput())
    with pytest.raises(TypeError, match="widgets with a value, and parameters"):
        await tab(MemoryStore(), pn.pane.Str("x"))
    with pytest.raises(TypeError, match="needs the coroutines"):
        await tab(object(), W.TextInput(name="a"))
    with pytest.raises(ValueError, match="'tab' or 'user'"):
        await tab(MemoryStore(), W.TextInput(name="a"), key="session")
    await tab(MemoryStore(), W.PasswordInput(name="door"))  # encrypted
    monkeypatch.delenv("SESSIONLAB_KEY")
    for secret in (W.PasswordInput(name="door"), W.TextInput(name="api_key")):
        with pytest.raises(ValueError, match="is a secret, and could be read in the store"):
            await tab(MemoryStore(), secret)


def test_outside_a_session_it_does_nothing(tmp_path):
    persist(W.TextInput(name="note"))
    assert not (tmp_path / "state").exists()


# -- nobody else's -------------------------------------------------------------------------------------------------


async def attacked(tab, how: str) -> tuple[bool, str]:
    """Whether an attack on what Ann kept in her tab got anything."""
    store, hers, prey = MemoryStore(), W.TextInput(name="note"), W.TextInput(name="note")
    first = await tab(store, hers, user="ann")
    await first.says(None)
    hers.value = "of ann"
    await first.written()
    options, claimed = {"user": "ann"}, first.id
    (place,) = store._values
    match how:
        case "another user":
            options["user"] = "bob"
        case "nobody":
            options["user"] = None
        case "another application":
            options["route"] = "/other"
        case "forged id":
            claimed = base64.urlsafe_b64encode(b"0" * 32 + b"p" + b"a" * 32).decode()
        case "tampered id":
            raw = bytearray(base64.urlsafe_b64decode(claimed))
            raw[-1] ^= 1
            claimed = base64.urlsafe_b64encode(bytes(raw)).decode()
        case "unsigned id":
            claimed = first.kept.groups["tab"].who
        case "tampered value":
            sealed, until = store._values[place]
            store._values[place] = sealed[:-1] + bytes([sealed[-1] ^ 1]), until
        case "swapped value":  # of another tab of the same user, by somebody who may write into the store
            other = await tab(store, W.TextInput(name="note"), user="ann")
            await other.says(None)
            vars(other.kept.groups["tab"])["dirty"] = True
            await other.written()
            (foreign,) = set(store._values) - {place}
            store._values[place] = store._values[foreign]
        case "old copy":  # put back by somebody who may write into the store, with a new date
            sealed, _ = store._values[place]
            store._values[place] = sealed, time.time() + 1e6
            options["max_age"] = 0.0
        case "another key":
            os.environ["SESSIONLAB_KEY"] = "of somebody else"
        case "expired":
            sealed, _ = store._values[place]
            store._values[place] = sealed, time.time() - 1
    second = await tab(store, prey, **options)
    return await second.says(claimed), prey.value


ATTACKS = [
    "another user", "nobody", "another application", "forged id", "tampered id", "unsigned id", "tampered value",
    "swapped value", "old copy", "another key", "expired",
]  # fmt: skip


@pytest.mark.parametrize("how", ATTACKS)
async def test_nobody_gets_what_another_kept(tab, how):
    assert await attacked(tab, how) == (False, "")


async def test_the_same_without_an_attack_is_read(tab):
    assert await attacked(tab, "none") == (True, "of ann")


@given(st.binary(max_size=200), st.text(max_size=20), st.binary(min_size=1, max_size=40))
def test_only_what_was_sealed_for_a_place_is_opened(value, place, noise):
    sealed = sealing.seal(value, place)
    assert sealing.unseal(sealed, place) == value
    assert sealing.unseal(sealed, place + "x") is None
    assert sealing.unseal(noise + sealed, place) is None and sealing.unseal(noise, place) is None
    assert value == b"" or len(value) < 4 or value not in sealed  # it is encrypted


def test_keys_can_be_changed(monkeypatch):
    old = sealing.seal(b"x", "here")
    monkeypatch.setenv("SESSIONLAB_KEY", "the new one, a key of these tests")
    assert sealing.unseal(old, "here") == b"x"
    new = sealing.seal(b"y", "here")
    monkeypatch.setenv("SESSIONLAB_KEY", "the new one")
    assert sealing.unseal(old, "here") is None and sealing.unseal(new, "here") == b"y"


def test_without_a_key_a_file_of_this_user_signs(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("SESSIONLAB_KEY")
    sealed = sealing.seal(b"in the open", "here")
    assert b"in the open" in sealed and not sealing.encrypts()
    file = tmp_path / "state" / "sessionlab" / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sealing._of_this_user.cache_clear()  # as another process
    assert sealing.unseal(sealed, "here") == b"in the open"
    file.write_text("short")
    sealing._of_this_user.cache_clear()
    assert sealing.unseal(sealed, "here") is None and "is too short" in caplog.text


# -- values --------------------------------------------------------------------------------------------------------

COLUMNS = st.one_of(
    st.lists(st.floats(), min_size=3, max_size=3),
    st.lists(st.integers(-(2**62), 2**62), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2100, 1, 1)), min_size=3, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), COLUMNS, min_size=1, max_size=4), st.sampled_from([None, "name", ""]))
def test_tables_come_back_as_they_were(columns, index):
    class Holds(param.Parameterized):
        table = param.DataFrame()

    table = pd.DataFrame(columns)
    table.index.name = index
    item = Kept("table", Holds(table=table), "table")
    text = json.dumps(item.read())
    other = Holds()
    Kept("table", other, "table").write(json.loads(text))
    pd.testing.assert_frame_equal(other.table, table)


def test_no_value_can_run_anything():
    class Holds(param.Parameterized):
        grid = param.Array(np.array([object()], dtype=object))
        table = param.DataFrame(pd.DataFrame({"x": [object()]}))

    for name in ("grid", "table"):
        with pytest.raises(TypeError, match="objects"):
            Kept(name, Holds(), name).read()


# -- stores --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    program = shutil.which("redis-server")
    if program is None and not os.environ.get("CI"):
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command += ["--requirepass", "a password"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "Ready to accept connections" in line:
            break
    yield f"redis://:a password@127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)
    process.stdout.close()


async def obeys(store, steps) -> None:
    """A store and a dict are given the same steps, and answer the same."""
    known: dict = {}
    for key, value in steps:
        if value is None:
            await store.delete(key)
            known.pop(key, None)
        elif value == b"get":
            assert await store.get(key) == known.get(key)
        else:
            await store.set(key, value, 60.0)
            known[key] = value
    for key in ("a", "b"):
        assert await store.get(key) == known.get(key)
        await store.delete(key)


STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.none(), st.just(b"get"), st.binary(max_size=50))))


@given(STEPS)
def test_memory_keeps_the_protocol(steps):
    asyncio.run(obeys(MemoryStore(), steps))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_sqlite_keeps_the_protocol(tmp_path, steps):
    asyncio.run(obeys(SqliteStore(tmp_path / "state.sqlite"), steps))


@pytest.mark.server
@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_redis_keeps_the_protocol(redis, steps):
    asyncio.run(obeys(RedisStore(redis), steps))


FAULTS = st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.just(b"get"), st.binary(max_size=50)), st.booleans()))


async def keeps_what_it_took(store, steps, disturb) -> None:
    """Whatever disturbs a store: it raises, or it answers with what it took last, or with what it did not say."""
    possible: dict = {"a": {None}, "b": {None}}
    await store.delete("a")
    await store.delete("b")
    for key, value, disturbed in steps:
        if disturbed:
            disturb()
        try:
            async with asyncio.timeout(20):
                if value == b"get":
                    assert await store.get(key) in possible[key]
                else:
                    possible[key] = possible[key] | {value}
                    await store.set(key, value, 60.0)
                    possible[key] = {value}
        except Exception as error:
            assert not isinstance(error, AssertionError), error
    for key, values in possible.items():
        assert await store.get(key) in values


@pytest.mark.server
@settings(max_examples=30, deadline=None)
@given(FAULTS)
def test_a_redis_whose_connections_break_keeps_what_it_took(redis, steps):
    address = urlsplit(redis)
    with Outage(f"http://127.0.0.1:{address.port}/") as wire:
        through = redis.replace(f":{address.port}/", f":{wire.port}/")
        asyncio.run(keeps_what_it_took(RedisStore(through), steps, lambda: wire.cut("rst")))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(FAULTS)
def test_a_file_that_others_lock_and_close_keeps_what_it_took(tmp_path, steps):
    store = SqliteStore(tmp_path / "state.sqlite")
    other = sqlite3.connect(tmp_path / "state.sqlite", check_same_thread=False, isolation_level=None)
    timers: list[threading.Timer] = []

    def done():
        for timer in timers:
            timer.join()

    def disturb():
        """Somebody else writes, and is done when the store has been waiting for a moment; or has lost the file."""
        done()
        if store._connection is not None and len(timers) % 2:
            store._thread.submit(store._connection.close).result()
        elif store._connection is not None:
            other.execute("BEGIN IMMEDIATE")
        timers.append(threading.Timer(0.02, other.rollback))
        timers[-1].start()

    try:
        asyncio.run(keeps_what_it_took(store, steps, disturb))
    finally:
        done()
        other.close()


async def test_sqlite_forgets_sweeps_and_survives_its_file(tmp_path):
    file = tmp_path / "new" / "state.sqlite"
    store, other = SqliteStore(file), SqliteStore(file)
    await store.set("a", b"1", 60)
    await store.set("b", b"2", -1)
    assert await other.get("a") == b"1" and await other.get("b") is None
    store._swept = 0.0
    await store.get("a")
    assert await store._do("SELECT key FROM state") == [("a",)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    for each in file.parent.glob("*-*"):
        each.unlink()
    with pytest.raises(Exception, match="database"):
        await SqliteStore(file).get("a")
    file.unlink()
    await SqliteStore(file).set("a", b"again", 60)
    assert await SqliteStore(file).get("a") == b"again"


def test_which_store_is_meant(tmp_path, monkeypatch):
    assert open_store(None, "app").file == tmp_path / "state" / "sessionlab" / "app.sqlite"
    assert open_store(tmp_path, "app").file == tmp_path / "app.sqlite"
    assert open_store(tmp_path / "x.db", "app").file == tmp_path / "x.db"
    monkeypatch.setenv("SESSIONLAB_STORE", "redis://127.0.0.1:1/0")
    assert isinstance(open_store(None, "app"), RedisStore)
    own = MemoryStore()
    assert open_store(own, "app") is own and isinstance(own, stores.Store)
    with pytest.raises(ValueError, match="known are redis"):
        open_store("https://user:secret@nowhere", "app")


# -- with real servers ---------------------------------------------------------------------------------------------

APP = """
    import panel as pn
    from sessionlab.harden import drain, persist, reconnect

    pn.extension(notifications=%s)
    note = pn.widgets.TextInput(name="note")
    reconnect(retry=0.2)
    persist(note)
    note.servable()
"""
SHOWN = "text => window.Bokeh?.documents?.some(doc => [...doc.all_models].some(model => model.value == text))"
SAYS = """text => [...document.querySelectorAll("#sessionlab_reconnect")].some(
    element => text ? element.textContent.includes(text) : !element.textContent)"""
PLUGIN = "from sessionlab.harden import drain\ndrain(grace=5, notice=0.2, hooks=1)\n"


@pytest.mark.server
@pytest.mark.slow("a browser loses its server")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("notifications", [False, True])
async def test_a_killed_server_and_a_restarted_one_lose_nothing(tmp_path, notifications, end):
    browser_or_skip()
    from playwright.async_api import expect

    app = tmp_path / "app.py"
    app.write_text(textwrap.dedent(APP % notifications))
    env = {"SESSIONLAB_STORE": str(tmp_path / "store")}
    with serve(app, env=env) as server:
        async with Browser() as browser, await browser.open(server.url) as tab:
            await tab.page.get_by_label("note").fill("words")
            await tab.page.keyboard.press("Enter")
            await tab.settle()
            await is_kept(tmp_path / "store", {"note": "words"})
            server.kill(end)
            await asyncio.to_thread(server.restart)
            await tab.page.wait_for_function(SAYS, arg="what you had entered is back", timeout=20_000)
            # the message may be there before the paint
            await expect(tab.page.get_by_label("note")).to_have_value("words")
            await tab.page.wait_for_function(SAYS, arg="", timeout=20_000)  # a good outcome needs no click to go
            await tab.page.reload()
            await tab.page.wait_for_function(SHOWN, arg="words")


async def kept_in(folder) -> dict | None:
    """What the one store in this folder holds of the one tab; None while that is nothing."""
    for file in folder.glob("*.sqlite"):
        for key, sealed in await SqliteStore(file)._do("SELECT key, value FROM state"):
            return json.loads(sealing.unseal(sealed, key))
    return None


async def is_kept(folder, values: dict) -> None:
    async with asyncio.timeout(10):
        while (await kept_in(folder) or {}).get("values") != values:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@pytest.mark.server
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
async def test_drain_writes_what_was_not_written_yet(tmp_path, monkeypatch):
    app = tmp_path / "app.py"
    app.write_text(textwrap.dedent(APP % False))
    slow = "from sessionlab.harden import persisting\npersisting.SOON = 3600\n"  # nothing is written by itself
    (tmp_path / "plugin.py").write_text(slow + PLUGIN + "ROUTES = []\n")
    env = {"SESSIONLAB_STORE": str(tmp_path / "store"), "PYTHONPATH": str(tmp_path)}
    with serve(app, env=env, panel_args=["--plugins", "plugin"]) as server:
        async with visit(server.url) as session:
            # what the page's own script says in a browser
            await session.send([{"kind": "MessageSent", "msg_type": module.TYPE, "msg_data": None}])
            await session.set("note", value="not yet written")
            await session.roundtrip()
            server.kill(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, 10) == 0
    assert (await kept_in(tmp_path / "store"))["values"] == {"note": "not yet written"}


BACK = """
    import panel as pn
    from sessionlab.harden import persist

    note = pn.widgets.TextInput(name="note")
    persist(note)
    note.servable()
"""


@pytest.mark.server
async def test_who_was_ended_by_a_limit_finds_everything_when_back(tmp_path):
    """Of sessions that wait for their users, `SessionLimits` ends the oldest: here all but one."""
    (tmp_path / "app.py").write_text(textwrap.dedent(BACK))
    limits = "from sessionlab.harden import SessionLimits\nSessionLimits(live=10, retained=1).install()\nROUTES = []\n"
    (tmp_path / "plugin.py").write_text(limits)
    env = {"SESSIONLAB_STORE": str(tmp_path / "store"), "PYTHONPATH": str(tmp_path)}
    with serve(tmp_path / "app.py", env=env, panel_args=["--plugins", "plugin"], token_expiration=600) as server:
        storage = Storage()
        async with visit(server.url) as ann:
            await storage.hand_over(ann)
            await ann.set("note", value="hers")
            await is_kept(tmp_path / "store", {"note": "hers"})
            storage.keep(ann)
            await ann.drop()
            for _ in range(2):  # who leave after her
                async with visit(server.url) as other:
                    await other.roundtrip()
            async with asyncio.timeout(20):
                while any(s.id == ann.id for s in await asyncio.to_thread(server.probe.sessions)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await ann.reconnect()
            assert ann.value("note") == ""  # another session
            await storage.hand_over(ann)
            await ann.wait_for("note", value="hers", timeout=20)


DASK = """
    import os
    import panel as pn
    from distributed import Client, Variable
    from sessionlab.harden import block_expiration, persist

    client = pn.state.as_cached("client", lambda: Client(os.environ["DASK"], set_as_default=False))
    job = pn.widgets.TextInput(name="job")        # the name that the result has on the cluster
    result = pn.widgets.TextInput(name="result")
    begin = pn.widgets.Button(name="begin")

    def start(event):
        client.publish_dataset(**{"job-1": client.submit(pow, 6, 2, pure=False)})
        job.value = "job-1"

    def find(event):
        with block_expiration(linger=60):
            result.value = str(client.get_dataset(event.new).result())

    begin.on_click(start)
    job.param.watch(find, "value")
    persist(job)
    pn.Column(job, result, begin).servable()
"""


@pytest.mark.server
@pytest.mark.slow("a cluster of Dask, and two starts")
async def test_a_result_on_dask_is_found_again_by_the_name_that_was_kept(tmp_path):
    from distributed import LocalCluster

    (tmp_path / "app.py").write_text(textwrap.dedent(DASK))
    pages = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    async with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, asynchronous=True, **pages,
                            host="127.0.0.1", protocol="tcp") as cluster:  # fmt: skip
        env = {"SESSIONLAB_STORE": str(tmp_path / "store"), "DASK": cluster.scheduler_address}
        with await asyncio.to_thread(serve, tmp_path / "app.py", env=env, token_expiration=600) as server:
            storage = Storage()
            async with visit(server.url) as ann:
                await storage.hand_over(ann)
                await ann.click("begin")
                await is_kept(tmp_path / "store", {"job": "job-1"})
                storage.keep(ann)
                await asyncio.to_thread(server.restart, signal.SIGKILL)
                await ann.wait_for(lambda session: bool(session.closed), timeout=20)
                await ann.reconnect()
                assert ann.value("result") == ""
                await storage.hand_over(ann)
                await ann.wait_for("result", value="36", timeout=20)


@pytest.mark.server
@pytest.mark.slow("a whole hunt")
def test_nothing_of_persist_stays_of_a_session(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(textwrap.dedent(APP % False))
    result = hunt(app, sessions=24, env={"SESSIONLAB_STORE": str(tmp_path / "store")})
    assert (result.verdict, result.live.verdict) == ("clean", "steady"), result
