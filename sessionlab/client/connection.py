"""One websocket that speaks Bokeh's protocol: messages of several frames, replies matched to requests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketProtocol13,
    websocket_connect,
)

from sessionlab.client.page import ADDRESSES
from sessionlab.client.shown import Shown
from sessionlab.errors import ConnectionRefused, ErrorReply, VisitFailed

QUICKACK = getattr(socket, "TCP_QUICKACK", None)
LARGEST_MESSAGE = 2**30  # bytes; a browser sets no limit at all
GOODBYE = 1.0  # seconds that a busy server may take to answer a closing frame


@dataclass(frozen=True)
class Closed(Shown):
    """The end of a connection: websocket close ``code``, ``reason``, and ``by`` whom.

    ``by`` is "visitor", "server" (it sent a closing frame) or "network" (the stream just ended).
    """

    code: int
    reason: str
    by: str

    def __str__(self) -> str:
        return f"closed by the {self.by} ({', '.join(filter(None, [f'code {self.code}', self.reason]))})"


class Message(NamedTuple):
    """A complete message: its type, the id it replies to, JSON text, buffers by id."""

    type: str
    reply_to: str | None
    content: str
    buffers: Mapping[str, bytes]


class Connection:
    """An open connection to a session; made by ``Connection.open``.

    ``closed`` is None while it is open. ``on_push`` is called with every message that answers no request,
    ``on_closed`` once, both inside the event loop and as they arrive: nothing waits in a queue.
    """

    def __init__(self, on_push: Callable[[Message], None], on_closed: Callable[[], None]):
        self.closed: Closed | None = None
        self._on_push, self._on_closed = on_push, on_closed
        self._ids = itertools.count(1)
        self._replies: dict[str, tuple[asyncio.Future, Callable]] = {}
        self._frames: list = []  # of the message that is being received
        self._header: dict = {}
        loop = asyncio.get_running_loop()
        self._acknowledged = loop.create_future()
        self._ended = loop.create_future()
        self._leaving: Closed | None = None
        self._protocol: WebSocketProtocol13 | None = None  # it knows how the connection ended
        self._dismissed = False  # the server sent a closing frame

    _socket: WebSocketClientConnection  # once it is open

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        *,
        headers: HTTPHeaders,
        timeout: float,  # noqa: ASYNC109 - for each of two steps
        on_push: Callable[[Message], None],
        on_closed: Callable[[], None],
    ) -> Connection:
        """Connect and wait for the server's ACK, ``timeout`` seconds for each.

        Raises ConnectionRefused if nobody answers, the handshake is refused, or the server closes at once.
        """
        self = cls(on_push, on_closed)
        request = HTTPRequest(url, headers=headers, connect_timeout=timeout, request_timeout=timeout)
        opening = websocket_connect(
            request,
            on_message_callback=self._receive,
            subprotocols=["bokeh", token],
            max_message_size=LARGEST_MESSAGE,
            resolver=ADDRESSES,
        )
        try:
            self._socket = await asyncio.shield(opening)
        except asyncio.CancelledError:
            asyncio.ensure_future(opening).add_done_callback(_close_unwanted)
            raise
        except HTTPClientError as error:
            answer = "no answer in time" if error.code == 599 else f"HTTP {error.code} {error.message}"
            body = error.response.body.decode("utf-8", "replace") if error.response and error.response.body else ""
            raise ConnectionRefused(f"The websocket {url} was refused: {answer}.", why=body[:500]) from error
        except (OSError, StreamClosedError, WebSocketError) as error:
            raise ConnectionRefused(f"The websocket {url} could not be opened.", why=str(error)) from error
        self._watch(self._socket.protocol)
        try:
            async with asyncio.timeout(timeout):
                await self._acknowledged
        except TimeoutError:
            self.abort()
            raise ConnectionRefused(f"The server did not greet the websocket within {timeout:g} s.") from None
        except BaseException:
            self.abort()
            raise
        return self

    def _watch(self, protocol) -> None:
        # Tornado does not tell whether a closing frame without a code came or the stream just ended. In the first
        # case, and only then, it closes its side of the protocol while the stream is still open.
        close = protocol.close

        def closing(code=None, reason=None):
            self._dismissed = self._dismissed or not protocol.stream.closed()
            close(code, reason)

        protocol.close = closing
        protocol.set_nodelay(True)
        self._protocol = protocol
        if self._ended.done():  # the server closed at once: before the handshake was noticed here
            self._dismissed = True
            self._finish()

    @property
    def headers(self) -> HTTPHeaders:
        """Of the answer that made it a websocket."""
        return self._socket.headers or HTTPHeaders()

    # -- sending -----------------------------------------------------------------------------------------------

    def request(
        self, type: str, content: dict, buffers: Sequence[bytes] = (), then: Callable[[Message], object] = lambda m: m
    ) -> asyncio.Future:
        """Send a message now. The future has what ``then`` makes of the reply, or raises an ERROR reply as ErrorReply.

        ``then`` is called while the reply is received: before any message that follows it. Raises
        VisitFailed at once if the connection is closed.
        """
        if self.closed or self._leaving:
            raise VisitFailed(
                f"Nothing can be sent: the connection was {self.closed or self._leaving}.",
                advice="reconnect() first, as the page would.",
            )
        message_id = str(next(self._ids))
        header: dict = {"msgid": message_id, "msgtype": type}
        if buffers:
            header["num_buffers"] = len(buffers)
        frames: list = [json.dumps(header), "{}", json.dumps(content, separators=(",", ":"))]
        for number, buffer in enumerate(buffers):
            frames += [json.dumps({"id": str(number)}), buffer]
        reply = asyncio.get_running_loop().create_future()
        self._replies[message_id] = reply, then
        reply.add_done_callback(lambda _: self._replies.pop(message_id, None))
        try:
            for frame in frames:
                written = self._socket.write_message(frame, binary=isinstance(frame, bytes))
                written.add_done_callback(_consume)  # a failed write ends the connection, which tells everyone
        except WebSocketClosedError:
            pass  # the stream ended and the notice is on its way; it fails the reply
        return reply

    async def close(self, code: int) -> None:
        """Say goodbye with a closing frame, as a closed tab does, and wait shortly for the answer."""
        if self.closed:
            return
        self._leaving = Closed(code, "", "visitor")
        self._socket.close(code)
        try:
            async with asyncio.timeout(GOODBYE):
                await asyncio.shield(self._ended)
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """End the TCP connection without a word."""
        if self.closed:
            return
        self._leaving = self._leaving or Closed(1006, "", "visitor")
        if self._protocol is not None and self._protocol.stream is not None:
            self._protocol.stream.close()
        self._end()

    # -- receiving: called by Tornado for each frame -------------------------------------------------------------

    def _receive(self, frame: str | bytes | None) -> None:
        if self.closed:
            return
        if frame is None:
            self._end()
            return
        frames = self._frames
        frames.append(frame)
        count = len(frames)
        if count < 3:
            if count == 1 and self._protocol is not None and self._protocol.stream is not None:
                _acknowledge(self._protocol.stream.socket)
            return
        if count == 3:
            self._header = json.loads(frames[0])
        expected = self._header.get("num_buffers") or 0
        if count < 3 + 2 * expected:
            return
        buffers = {json.loads(frames[i])["id"]: frames[i + 1] for i in range(3, count, 2)}
        message = Message(self._header["msgtype"], self._header.get("reqid"), frames[2], buffers)
        self._frames = []
        self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        if message.type == "ACK":
            if not self._acknowledged.done():
                self._acknowledged.set_result(None)
            return
        if (waiting := self._replies.get(message.reply_to or "")) is None:
            self._on_push(message)
            return
        reply, then = waiting
        if not reply.done():
            try:
                reply.set_result(then(message)) if message.type != "ERROR" else reply.set_exception(error_in(message))
            except Exception as error:  # what cannot be understood concerns the one who asked
                reply.set_exception(error)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
        if self._protocol is not None:
            self._finish()

    def _finish(self) -> None:
        if self.closed:
            return
        if self._leaving:
            self.closed = self._leaving
        elif self._dismissed and self._protocol is not None:
            self.closed = Closed(self._protocol.close_code or 1005, self._protocol.close_reason or "", "server")
        else:
            self.closed = Closed(1006, "", "network")
        self._socket.close()
        lost = f"The connection was {self.closed}"
        if not self._acknowledged.done():
            self._acknowledged.set_exception(ConnectionRefused(f"{lost} before the session was opened."))
            self._acknowledged.exception()  # whoever waits for it sees it; nobody may be waiting any more
        for reply, _ in list(self._replies.values()):
            if not reply.done():
                reply.set_exception(VisitFailed(f"{lost} before the server replied."))
                reply.exception()
        self._on_closed()


def _acknowledge(tcp: socket.socket | None) -> None:
    # A message is several frames, and Bokeh leaves Nagle's algorithm on: the second waits until the first is
    # acknowledged, which Linux would put off by 40 ms because nothing is sent back meanwhile.
    if tcp is not None and QUICKACK is not None:
        with contextlib.suppress(OSError):
            tcp.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)


def error_in(message: Message) -> ErrorReply:
    """What an ERROR message says, as an exception."""
    content = json.loads(message.content)
    return ErrorReply(f"The server replied with an error: {content.get('text')}", why=content.get("traceback") or "")


def _close_unwanted(opening: asyncio.Future) -> None:
    if not opening.cancelled() and not opening.exception():
        opening.result().close()


def _consume(future: asyncio.Future) -> None:
    if not future.cancelled():
        future.exception()
