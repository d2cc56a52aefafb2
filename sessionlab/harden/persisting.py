"""State that outlives the process: what a user had entered is kept in a store, and set again in the next session."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import logging
import secrets
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path

import param
from bokeh.document import Document
from bokeh.document.events import MessageSentEvent
from panel.io.state import set_curdoc, state
from panel.viewable import Viewable
from panel.widgets import Widget

from . import draining, reconnecting, sealing
from .current import application_context_of, asyncio_loop_of, current_document, loop_of
from .inputs import Input, Kept, Parameter, declared, parts, readable
from .stores import Store, open_store
from .tab import keep_in_tab

log = logging.getLogger("sessionlab.harden")

TYPE = "sessionlab_persist"
SOON = 0.1  # seconds from a change to its writing
PATIENCE = 2.0  # seconds that a store may take
LONGEST = 30.0  # seconds between two tries of a store that is away
TEXTS = {
    "away": "What you enter cannot be kept at the moment. It may be lost if the connection breaks.",
    "back": "What you enter is kept again.",
    "large": "Not all that you entered can be kept: it is too much.",
    "elsewhere": "Your values were changed in another window.",
}
counts: Counter[str] = Counter(restored=0, written=0, errors=0, rejected=0)  # of this process, for its metrics
_groups: weakref.WeakSet[_Group] = weakref.WeakSet()
_stores: dict[tuple, Store] = {}


def persist(
    *things: Widget | Parameter | param.Parameterized,  # type: ignore[valid-type]
    key: str = "tab",
    version: int = 1,
    migrate: Callable[[int, dict], dict] | None = None,
    max_bytes: int = 1_000_000,
    max_age: float = 7 * 86_400,
    store: object = None,
    **named: Widget | Parameter | param.Parameterized,  # type: ignore[valid-type]
) -> None:
    """Keep these values in a store, and set them again when the page gets a new session.

        persist(query, year, settings)                 # widgets, parameters, whole objects
        persist(cart=Cart.param.items, key="user")     # of a user who is logged in, in whatever tab

    Call it in the served script, after the widgets are made. A page gets a new session after a restart, a deploy, a
    killed process, on another server behind a balancer, or by a reload. Values are set in the order in which they are
    declared, as if the user had set them, before the user can do anything. What does not fit any more (an option that
    is gone, a number out of bounds) is left alone, and said in the log. A new tab starts afresh; a duplicate of a tab
    starts with a copy, and is its own from then on. `reconnect` tells the user "restored" then.

    Parameters
    ----------
    things, named : widgets with a ``value``, parameters, or Parameterized objects: all that can be set in these, and in
        the objects that they hold now. Values that JSON can hold, arrays, and tables with columns of plain values.
        Selections are kept by label. Names tell values apart; keep them when you change the application.
    key : ``"tab"``, or ``"user"``: then whoever is logged in finds the same values in every tab and on every device.
        If two change them, the later change holds, and the other one is told: at once in the same process, with her
        next change where another process serves her.
    version : of what you declare; raise it when its meaning changes.
    migrate : a function of the version and the values (a dict by name) that were kept; returns what they are now.
        Without one, values of an older version are dropped. Those of a newer one are never read.
    max_bytes : of all values of one key. The largest are left out beyond it, which the user is told.
    max_age : seconds after the last change for which they are kept.
    store : where: a file or folder for SQLite, ``redis://…``, or an object of your own with the coroutines ``get``,
        ``set`` and ``delete`` (`sessionlab.harden.stores`). By default what ``SESSIONLAB_STORE`` says, else a file in
        the folder for this user's state.

    A change is written within 200 ms, beside the event loop; what is not written yet is when the session ends and when
    `drain` begins. A store that is away never stops the application: it is tried again, its errors are in the log once
    and in ``/metrics``, and the user is told.

    Nobody reads another's values: they are sealed for the application, the user and the tab, with the key that
    `sessionlab.harden.sealing` tells of. The page holds a random id, and no value. Secrets, which are passwords and
    what is named like one, are refused unless values are encrypted. Outside a server session it does nothing.

    `recover_inputs` keeps up to 4 KB in the page and needs no store: take it for a form. Take this for what is larger,
    secret, belongs to a user, or has to survive the loss of the page.

    Adds what Panel 1.9 and Bokeh 3.8 to 3.10 lack. To be dropped when Panel restores declared state.

    Raises
    ------
    ValueError : a name that is missing or there twice, a value that cannot be written, a secret that would be readable,
        ``key="user"`` when nobody is logged in, a store's address of an unknown kind.
    TypeError : neither a widget, a parameter nor an object with parameters; a store without one of its coroutines.
    ImportError : a Redis store without redis-py: ``pip install 'sessionlab[persist]'``.
    """
    if key not in ("tab", "user"):
        raise ValueError(f"key={key!r} cannot be used: it is 'tab' or 'user'")
    items = [item for thing in things for item in _inputs("", thing)]
    items += [item for name, thing in named.items() for item in _inputs(name, thing)]
    doc = current_document()
    if doc is None or doc.session_context is None:
        return
    page = vars(doc).get(reconnecting.PERSISTED) or vars(doc).setdefault(reconnecting.PERSISTED, _Page(doc))
    page.group(key, store).declare(items, version, migrate, max_bytes, max_age)


def _inputs(name: str, thing) -> list[Input]:
    if isinstance(thing, param.Parameterized) and not isinstance(thing, Viewable):
        items = list(parts("persist", thing, name or type(thing).__name__))
    else:
        items = [declared("persist", thing, name, Kept)]
    for item in items:
        if item.is_secret and not sealing.encrypts():
            raise ValueError(
                f"{item.name!r} is a secret, and could be read in the store: set {sealing.VARIABLE} and install "
                "cryptography (pip install 'sessionlab[persist]'), or leave it out"
            )
    return list(map(readable, items))


class _Page:
    """The conversation of one session with its page, and the values that it keeps for the tab and for the user."""

    def __init__(self, doc: Document):
        self._doc = weakref.ref(doc)
        context = doc.session_context
        application = application_context_of(context)
        self.route = getattr(application, "url", None) or "/"
        self.application = _named(self.route, application)
        self.loop = asyncio_loop_of(loop_of(context))
        self.groups: dict[str, _Group] = {}
        self.user = self._user(doc)
        self._heard = False
        self._waiting: list[Callable[[bool], None]] = []
        self.restored: bool | None = None  # whether this session got what an earlier one had; None until that is known
        keep_in_tab(doc, TYPE, self.route, self._hear)
        doc.on_session_destroyed(_end(self))

    @property
    def doc(self) -> Document:
        doc = self._doc()
        assert doc is not None  # it lives as long as its session, and nothing here is called later
        return doc

    @staticmethod
    def _user(doc: Document) -> str | None:
        with set_curdoc(doc):
            return state.user if getattr(doc.session_context, "request", None) else None

    def group(self, key: str, store: object) -> _Group:
        if key == "user" and self.user is None:
            raise ValueError("key='user' needs a user: nobody is logged in (see --basic-auth and --oauth-provider)")
        if key not in self.groups:
            wanted = store if isinstance(store, str | Path | None) else id(store)
            name = (wanted, self.application)
            kept = _stores[name] if name in _stores else open_store(store, self.application)
            if isinstance(store, str | Path | None):
                _stores[name] = kept
            self.groups[key] = _Group(self, key, kept)
        return self.groups[key]

    def when_restored(self, told: Callable[[bool], None]) -> None:
        """Call ``told`` once it is known whether this session got what an earlier one had."""
        if self.restored is None:
            self._waiting.append(told)
        else:
            told(self.restored)

    def tell(self, what: str) -> None:
        """Say it to the user: by the element of `reconnect`, else by Panel's notifications; else only the log knows."""
        doc, text = self.doc, TEXTS[what]
        if vars(doc).get(reconnecting.NAME) is not None:
            doc.callbacks.trigger_on_change(MessageSentEvent(doc, reconnecting.TYPE, {"say": text}))
            return
        with set_curdoc(doc):
            if state.notifications is not None:
                state.notifications.info(text, duration=8000)

    def on_page(self, what: Callable[[], None]) -> None:
        """Run it on the event loop when nothing else of the session runs."""
        if (doc := self._doc()) is not None:
            doc.add_next_tick_callback(what)

    def _hear(self, stored) -> None:
        """The page says which tab it is."""
        if self._heard:  # it has come back to this session
            return
        self._heard = True
        place = json.dumps([self.route, self.user])
        known = _opened_id(stored, place)
        # a duplicate of a tab has the id of the one that is open: it starts with its values, under an id of its own
        copied = known is not None and any(group.is_open(known) for group in _groups)
        own = secrets.token_hex(16) if known is None or copied else known
        signed = base64.urlsafe_b64encode(sealing.seal(own.encode(), place)).decode()
        self.doc.callbacks.trigger_on_change(MessageSentEvent(self.doc, TYPE, signed))
        for group in self.groups.values():
            group.begin(self.user if group.kind == "user" else own, known if group.kind == "tab" else self.user)

    def settled(self) -> None:
        """One of the groups has been read, or has nothing to read."""
        if self.restored is None and all(group.loaded for group in self.groups.values()):
            self.restored = any(group.restored for group in self.groups.values())
            for told in self._waiting:
                told(self.restored)
            self._waiting.clear()


class _Group:
    """The values under one key of the store."""

    version: int
    migrate: Callable[[int, dict], dict] | None
    max_bytes: int
    max_age: float

    def __init__(self, page: _Page, kind: str, store: Store):
        self.page, self.kind, self.store = page, kind, store
        self.inputs: dict[str, Input] = {}
        self.loaded = self.restored = False
        self.who: str | None = None  # the id of the tab, or the user
        self._edited: set[str] = set()  # what the user changed before the store had answered
        self._revision = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task] = set()
        self._writing = asyncio.Lock()
        self._pause = 0.0  # seconds until the store is tried again
        self._ended = self._warned = self._setting = False
        self.dirty = False
        _groups.add(self)

    def declare(self, items: list[Input], version: int, migrate, max_bytes: int, max_age: float) -> None:
        self.version, self.migrate, self.max_bytes, self.max_age = version, migrate, max_bytes, max_age
        for item in items:
            if item.name in self.inputs:
                raise ValueError(f"there are two values of the name {item.name!r}; write persist(other_name=...)")
            self.inputs[item.name] = item
            item.owner.param.watch(functools.partial(self._changed, item.name), item.parameter)

    def is_open(self, who: str) -> bool:
        """Whether this is of another page that is open, and of this tab."""
        doc = self.page._doc()
        session = getattr(doc and doc.session_context, "session", None)
        return self.kind == "tab" and self.who == who and session is not None and session.connection_count > 0

    def begin(self, who: str | None, before: str | None) -> None:
        """The page has said who it is: ``before`` are the values to begin with, None when there are none."""
        self.who = who
        self._do(self._load(before))

    def end(self) -> None:
        """The session ends: what is not written yet is written now."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self.dirty and self.loaded:
            self._do(self._put_last(self._sealed(self._fitting())))

    async def _put_last(self, sealed: bytes) -> None:
        try:
            await self._put(sealed)
        except Exception as error:
            counts["errors"] += 1
            log.warning("persist: the last values of a session of %s are lost: %r", self.page.route, error)

    async def flush(self) -> None:
        """Write what has changed, if anything has."""
        if self.dirty and self.loaded:
            await self._write()

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _load(self, before: str | None) -> None:
        if before is None:
            self.page.on_page(lambda: self._take(None))
            return
        while not self._ended:
            try:
                async with asyncio.timeout(PATIENCE):
                    sealed = await self.store.get(self._place(before))
            except Exception as error:
                await asyncio.sleep(self._failed("read", error))
            else:
                self._works()
                content = self._opened(sealed, before)
                self.page.on_page(functools.partial(self._take, content))
                return

    def _opened(self, sealed: bytes | None, before: str) -> dict | None:
        """What was kept, if it was kept for this; None else, and when it is of another version without a way here."""
        if sealed is None:
            return None
        try:
            body = sealing.unseal(bytes(sealed), self._place(before))
            content = None if body is None else json.loads(body)
        except Exception:
            content = None
        if content is None:
            counts["rejected"] += 1
            log.warning("persist: what is kept for %s was not sealed for it, or by another key", self.page.route)
            return None
        if time.time() - content["time"] > self.max_age:  # whatever the store says: somebody may have put it back
            counts["rejected"] += 1
            log.warning("persist: what is kept for %s is older than %g s", self.page.route, self.max_age)
            return None
        if content["version"] != self.version:
            if content["version"] > self.version or self.migrate is None:
                log.info("persist: values of version %s are not read by version %s", content["version"], self.version)
                return None
            try:
                content["values"] = dict(self.migrate(content["version"], content["values"]))
            except Exception:
                log.exception("persist: values of version %s could not be migrated", content["version"])
                return None
        return content

    def _take(self, content: dict | None) -> None:
        if content is not None:
            self._revision = content["revision"]
            with set_curdoc(self.page.doc):
                self._set(content["values"])
        self.loaded = True
        self.page.settled()
        if self._edited or (self.kind == "tab" and content is not None):
            self._schedule()  # a duplicate has a key of its own; what is in use stays for as long again

    def _set(self, values: dict) -> None:
        for name, item in self.inputs.items():
            if name in values and name not in self._edited:
                try:
                    self._setting = True
                    item.write(values[name])
                    self.restored = True
                except Exception as error:
                    log.info("persist: %r is not set again: %s", name, error)
                finally:
                    self._setting = False
        counts["restored"] += self.restored

    # -- writing -----------------------------------------------------------------------------------------------------

    def _changed(self, name: str, event) -> None:
        if self._setting or self._ended:
            return
        if not self.loaded:
            self._edited.add(name)
        self.dirty = True
        self.page.loop.call_soon_threadsafe(self._schedule)  # a callback may run in a thread

    def _schedule(self, seconds: float = SOON) -> None:
        self.dirty = True
        if self.loaded and self._timer is None and not self._ended:
            self._timer = self.page.loop.call_later(seconds, lambda: self._do(self._write()))

    async def _write(self) -> None:
        self._timer = None
        async with self._writing:
            if not self.dirty or self._ended:
                return
            self.dirty = False
            try:
                if self.kind == "user":
                    await self._tell_others()  # first: it says which revision this is
                await self._put(self._sealed(self._fitting()))
            except Exception as error:
                self._schedule(self._failed("written", error))
            else:
                self._works()

    async def _put(self, sealed: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.store.set(self._place(self.who), sealed, self.max_age)
        counts["written"] += 1

    async def _tell_others(self) -> None:
        """The later change holds; who has the one before on the page is told, and who did not know of it."""
        async with asyncio.timeout(PATIENCE):
            sealed = await self.store.get(self._place(self.who))
        kept = self._opened(sealed, self.who or "")
        if kept is not None and kept["revision"] > self._revision:  # another process has kept a change
            self._revision = kept["revision"]
            self.page.on_page(functools.partial(self.page.tell, "elsewhere"))
        for other in list(_groups):
            if other is not self and other._place(other.who) == self._place(self.who):
                other._revision = self._revision + 1  # that of what is written now
                other.page.on_page(functools.partial(other.page.tell, "elsewhere"))

    def _fitting(self) -> dict:
        """The values by name, without those that cannot be kept, and without the largest ones if all are too much."""
        values, left_out = {}, []
        for name, item in self.inputs.items():
            try:
                values[name] = item.read()
            except Exception as error:
                left_out.append(f"{name} ({error})")
        sizes = {name: len(json.dumps(value)) for name, value in values.items()}
        while values and sum(sizes.values()) > self.max_bytes:
            largest = max(sizes, key=sizes.__getitem__)
            left_out.append(f"{largest} (more than {self.max_bytes} bytes)")
            del values[largest], sizes[largest]
        if left_out and not self._warned:
            self._warned = True
            log.warning("persist does not keep %s", ", ".join(left_out))
            if not self._ended:
                self.page.on_page(lambda: self.page.tell("large"))
        return values

    def _sealed(self, values: dict) -> bytes:
        self._revision += 1
        content = {"version": self.version, "revision": self._revision, "time": time.time(), "values": values}
        return sealing.seal(json.dumps(content).encode(), self._place(self.who))

    # -- a store that is away --------------------------------------------------------------------------------------

    def _failed(self, what: str, error: Exception) -> float:
        """Note it; the seconds after which to try again."""
        counts["errors"] += 1
        if not self._pause:
            log.warning(
                "persist: values of %s cannot be %s: %s: %s", self.page.route, what, type(error).__name__, error
            )
            self.page.on_page(lambda: self.page.tell("away"))
        self._pause = min(LONGEST, 2 * self._pause or 1.0)
        return self._pause

    def _works(self) -> None:
        if self._pause:
            self._pause = 0.0
            log.info("persist: values of %s are kept again", self.page.route)
            self.page.on_page(lambda: self.page.tell("back"))

    def _place(self, who: str | None) -> str:
        """The key in the store, and what the values are sealed for: the application, the user, the tab."""
        text = json.dumps([self.kind, self.page.route, self.page.user, who])
        return hashlib.sha256(text.encode()).hexdigest()

    def _do(self, work: Coroutine) -> None:
        task: asyncio.Task = self.page.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _opened_id(stored: object, place: str) -> str | None:
    """The id of a tab, if this server has given it to this user for this application."""
    try:
        opened = sealing.unseal(base64.urlsafe_b64decode(stored), place)  # type: ignore[arg-type]
    except Exception:
        return None
    return None if opened is None else opened.decode()


def _named(route: str, application) -> str:
    """A name for the file of an application: its route, and which program it is."""
    handlers = getattr(getattr(application, "application", None), "handlers", ())
    paths = [runner.path for handler in handlers if (runner := getattr(handler, "_runner", None)) is not None]
    program = paths[0] if paths else getattr(sys.modules.get("__main__"), "__file__", "") or ""
    mark = hashlib.sha256(f"{route}\0{Path(program).resolve()}".encode()).hexdigest()[:8]
    return f"{route.strip('/').replace('/', '-') or 'app'}-{mark}"


def _end(page: _Page):
    def end(context) -> None:
        for group in page.groups.values():
            group.end()

    return end


def _unwritten() -> list[Coroutine]:
    return [group.flush() for group in list(_groups) if group.dirty and group.loaded]


draining.before.append(_unwritten)
