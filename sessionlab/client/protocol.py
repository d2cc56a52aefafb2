"""A session as BokehJS makes one, without a browser: the page, the websocket, the document, and edits both ways.

    async with visit(server.url) as session:
        await session.set("Speed", value=3)
        await session.click("Run")
        await session.wait_for("Count", value=1)

Or, where it must outlive a block, as between the cells of a notebook: ``session = await visit(url)`` and later
``await session.close()``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sessionlab.client import widgets
from sessionlab.client.connection import Closed, Connection, Message, error_in
from sessionlab.client.document import Document
from sessionlab.client.edits import Edits
from sessionlab.client.expectation import Expectation
from sessionlab.client.page import Page, get_page
from sessionlab.client.shown import Shown
from sessionlab.client.values import Model
from sessionlab.client.widgets import Widget
from sessionlab.errors import ConnectionRefused, VisitFailed

Target = str | Model | Widget
GOING_AWAY = 1001  # the close code of a tab that is closed


@dataclass(frozen=True)
class Timings(Shown):
    """Seconds for the ``page`` (GET), for the websocket to ``connect`` (until ACK) and for the ``pull``."""

    page: float
    connect: float
    pull: float

    def __str__(self) -> str:
        return f"page {self.page:.3f} s, connect {self.connect:.3f} s, pull {self.pull:.3f} s"


def visit(
    url: str, *, headers: Mapping[str, str] | None = None, cookies: Mapping[str, str] | None = None, timeout: float = 30
) -> Session:
    """A session on the application at ``url``: ``async with visit(url) as session`` or ``await visit(url)``.

    Parameters
    ----------
    url : of the page; its query string reaches the application as in a browser.
    headers, cookies : to send with the page and the websocket, for instance of a user who is logged in. An ``Origin``
        given here takes the place of the page's own.
    timeout : seconds that each answer of the server may take.

    Raises VisitFailed if the page does not answer, answers with an HTTP error or carries no session, or if the
    document does not come; ConnectionRefused if the websocket is refused. Nothing stays open then.
    """
    return Session(url, headers=headers, cookies=cookies, timeout=timeout)


class Session:
    """One session, made by ``visit``. Everything happens in the event loop of the one who awaits it.

    Attributes
    ----------
    page : the ``Page`` that was got first.
    document : the ``Document``, as the server last described it; edits show in it at once.
    timings : ``Timings`` of the page and of the last connection.
    patches : how many patches the server has pushed since the page was got.
    console : what a browser would have written there: errors nobody waited for. The last 100.

    ``page``, ``document`` and ``timings`` are there once it is opened.
    """

    page: Page
    document: Document
    timings: Timings
    _connection: Connection

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        timeout: float = 30,
    ):
        self.url, self.timeout = url, timeout
        self._headers, self._cookies = headers, cookies
        self.patches = 0
        self.console: deque[str] = deque(maxlen=100)
        self._opened = False
        self._following = False  # whether pushed patches belong to `document`
        self._waiters: list[asyncio.Future] = []

    # -- opening and ending ----------------------------------------------------------------------------------------

    def __await__(self):
        return self._open().__await__()

    async def __aenter__(self) -> Session:
        return await self._open()

    async def __aexit__(self, *_) -> None:
        await self.close()

    async def _open(self) -> Session:
        self.page = page = await get_page(self.url, headers=self._headers, cookies=self._cookies, timeout=self.timeout)
        if page.status >= 400:
            raise VisitFailed(f"The page {page.url} answered {page.status}.", why=page.shown)
        if not page.token:
            raise VisitFailed(
                f"The page {page.url} carries no session.",
                why=page.shown,
                advice="visit an application's own page: neither an index of applications nor a page that embeds one.",
            )
        await self._connect()
        self._tell("document_ready")  # without it pn.state.onload never runs
        return self

    async def _connect(self) -> None:
        page, started = self.page, time.perf_counter()
        self._following = False
        headers = page.cookies.sent_with(page.websocket_url, self._headers)
        headers.setdefault("Origin", page.origin)
        try:
            self._connection = connection = await Connection.open(
                page.websocket_url,
                self.token,
                headers=headers,
                timeout=self.timeout,
                on_push=self._pushed,
                on_closed=self._wake,
            )
        except ConnectionRefused as refused:
            age = time.time() - (page.token_expires or math.inf)
            if refused.__cause__ is None and age >= 0:  # somebody answered, and there is a reason to refuse
                refused.why = f"The token of the page expired {age:.0f} s ago, which is enough for Bokeh to refuse it."
                refused.advice = "get a new page, or serve with a longer token_expiration."
            raise
        self._opened, connected = True, time.perf_counter()
        page.cookies.collect(page.websocket_url, connection.headers)  # a balancer may have sent it to another server
        try:
            await self._answer(
                connection.request("PULL-DOC-REQ", {}, then=self._pulled), "the request for the document"
            )
        except BaseException:
            connection.abort()
            raise
        self.timings = Timings(page.seconds, connected - started, time.perf_counter() - connected)

    def _tell(self, event: str) -> None:
        # BokehJS waits for no reply here either: a slow onload callback does not hold up the page.
        edits = Edits(self.document)
        edits.introduce()
        edits.event(event)
        self._connection.request("PATCH-DOC", {"events": edits.events}).add_done_callback(self._note)

    async def close(self) -> None:
        """End the session's connection as a closed tab does. The server keeps the session for its lifetime."""
        if self._opened:
            await self._connection.close(GOING_AWAY)

    async def drop(self) -> None:
        """End the TCP connection without a closing frame, as a network does."""
        if self._opened:
            self._connection.abort()

    async def reconnect(self) -> None:
        """Open a new websocket with the token of the page and pull the document again, as BokehJS does.

        As BokehJS, it sends ``client_reconnected`` and no second ``document_ready``: if the server has discarded the
        session, it builds a fresh one under the same id, whose onload callbacks never run. (BokehJS 3.9 also echoes
        every root, which the server ignores, and cannot take arrays on this way; neither is imitated.)

        Does nothing while the connection is open. Raises ConnectionRefused, with the close code, if the server
        refuses the token or does not answer; ``closed`` then still tells how the connection was lost.
        """
        if self.closed:
            await self._connect()
            self._tell("client_reconnected")

    # -- what it knows -----------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The session id, as the server knows it; empty if the page's token does not tell."""
        return self.page.session_id or ""

    @property
    def token(self) -> str:
        return self.page.token or ""

    @property
    def closed(self) -> Closed | None:
        """How the connection ended; None while it is open."""
        return self._connection.closed if self._opened else None

    @property
    def models(self) -> dict[str, Model]:
        """Every model of the document by id, in the order of the page."""
        return self.document.models

    @property
    def widgets(self) -> list[Widget]:
        """What can be clicked, typed in, moved or selected now."""
        return widgets.widgets_in(self.document)

    def find(self, name: str) -> Model:
        """The first model with that id, name, title, label or type; raises VisitFailed, saying what there is.

        Panel sends some names as ``title`` or ``label`` and others not at all: button groups, tables and panes are
        found by type (``"RadioButtonGroup"``, ``"Tabulator"``, ``"HTML"``).
        """
        return widgets.find(self.document, name)

    def value(self, target: Target, attribute: str = "value"):
        """A plain Python value of an attribute; ``value`` means the widget's own value, whatever its attribute.

        What the server left out of the document is None, except for the own value of a widget.
        """
        return widgets.value_of(self.document, self._model(target), attribute)

    def _model(self, target: Target) -> Model:
        if isinstance(target, str):
            return self.find(target)
        model = self.document.models.get(target.id)
        if model is None:
            raise VisitFailed(f"{target} is no longer on the page.")
        return model

    # -- what a visitor does -----------------------------------------------------------------------------------------

    async def set(self, target: Target, **attributes) -> None:
        """Change attributes of a model as a user would and wait until the server has taken them.

        ``value`` means the widget's own value. With it goes what BokehJS sends when the user is done:
        ``value_throttled`` of a slider that is let go, Enter at the end of a text. Callbacks may run on after the
        reply: use ``wait_for`` to see their results. Raises VisitFailed with the server's text if it refuses.
        """
        await self._do(Edits.set, self._model(target), attributes)

    async def click(self, target: Target, item=None) -> None:
        """Click a button, a toggle, a tab, or an ``item`` (its value) of a menu, and wait as ``set`` does."""
        await self._do(Edits.click, self._model(target), item)

    async def select_rows(self, target: Target, rows: Sequence[int]) -> None:
        """Select rows of a table by position."""
        await self._do(Edits.select_rows, self._model(target), rows)

    async def interact(self, target: Target) -> bool:
        """Do with a widget what a curious user would: click it, move it, type in it, select something else.

        Returns False if nothing can be done with it.
        """
        return await self._do(Edits.use, self._model(target))

    async def event(self, name: str, target: Target | None = None, **values) -> None:
        """Send an event, such as ``event("cell-click", "Tabulator", column="x", row=0)``."""
        await self._do(Edits.event, name, target and self._model(target), values)

    async def _do(self, edit: Callable, *arguments):
        edits = Edits(self.document)
        done = edit(edits, *arguments)
        if edits.events:
            await self.send(edits.events, edits.buffers)
        return done

    async def send(self, events: list[dict], buffers: Sequence[bytes] = ()) -> None:
        """Send a PATCH-DOC with these events, in Bokeh's own form, and wait for the server's OK."""
        await self._answer(self._connection.request("PATCH-DOC", {"events": events}, buffers), "the patch")

    async def roundtrip(self) -> float:
        """Wait until the server has handled all that was sent before. Returns the seconds it took."""
        started = time.perf_counter()
        await self._answer(self._connection.request("SERVER-INFO-REQ", {}), "the roundtrip")
        return time.perf_counter() - started

    async def wait_for(
        self,
        what: Target | Callable[[Session], bool],
        *,
        timeout: float | None = 5,  # noqa: ASYNC109 - part of the failure's message
        **attributes,
    ) -> None:
        """Wait until ``what(session)`` is true, or the attributes of the model ``what`` have these values.

        An expected value may be a function that judges the present one: ``wait_for("HTML", text=str.isdigit)``.
        Raises VisitFailed after ``timeout`` seconds (None: never), or when the connection ends.
        """
        expected = Expectation(what, attributes)
        try:
            async with asyncio.timeout(timeout):
                while not expected.holds(self):
                    if self.closed:
                        raise VisitFailed(f"The connection was {self.closed} while waiting for {expected}.")
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            raise VisitFailed(f"{expected} did not come in {timeout:g} s.", why=expected.evidence(self)) from None

    # -- what the server sends -----------------------------------------------------------------------------------------

    def _pulled(self, message: Message) -> None:
        self.document = Document(message.content, message.buffers)
        self._following = True

    def _pushed(self, message: Message) -> None:
        if message.type == "ERROR":
            self.console.append(str(error_in(message)))
        elif message.type == "PATCH-DOC" and self._following:  # else it is part of the document that comes
            self.patches += 1
            self.console.extend(self.document.patch(message.content, message.buffers))
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _note(self, reply: asyncio.Future) -> None:
        if not reply.cancelled() and reply.exception() and not self.closed:
            self.console.append(str(reply.exception()))

    async def _answer(self, reply: asyncio.Future, what: str):
        try:
            async with asyncio.timeout(self.timeout):
                return await reply
        except TimeoutError:
            raise VisitFailed(
                f"The server did not answer {what} within {self.timeout:g} s.",
                advice="a callback may be blocking its event loop, or the network is stalled.",
            ) from None

    def __repr__(self) -> str:
        if not self._opened:
            return f"<session on {self.url}, not opened>"
        return f"<session {self.id} on {self.page.url}: {self.closed or 'open'}>"
