"""The wire of an `Outage`: a TCP proxy on asyncio that can be disturbed. Runs in whichever thread calls ``run``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sessionlab.errors import PortTaken

HOST = "127.0.0.1"
CHUNK = 1 << 16  # bytes read at once
IN_FLIGHT = 128  # chunks that a slow or stalled wire holds each way; then the sender has to wait, as TCP makes it
BACKLOG = 512
NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # close() sends RST


@dataclass(frozen=True)
class Action:
    """Something that was done to the wire: ``time`` in seconds of `time.monotonic`, and what it was."""

    time: float
    action: str

    def __str__(self) -> str:
        return self.action

    def _repr_html_(self) -> str:
        return f"<code>{self.action}</code>"

    def to_dict(self) -> dict:
        return asdict(self)


class Proxy:
    """What lives in the thread: the listening socket, the connections, the state.

    All of it runs in the thread, but for the constructor.
    """

    def __init__(self, host: str, port: int):
        self.upstream = (host, port)
        self.loop = asyncio.new_event_loop()
        self.ended = asyncio.Event()
        self.state, self.latency = "up", 0.0
        self.history: list[Action] = []
        self.watchers: list[Callable[[str], None]] = []
        self.connections: dict[asyncio.Task, list[socket.socket | asyncio.StreamWriter]] = {}
        self._changed = asyncio.Event()  # set, and replaced, at every change of state
        self._one_at_a_time = asyncio.Lock()
        self._timer: asyncio.Task | None = None
        self._listener: asyncio.Task | None = None
        self._socket = _bind(0)
        self.port = self._socket.getsockname()[1]
        self._socket.listen(BACKLOG)  # the first client may come before the thread runs

    def run(self) -> None:
        self.loop.set_exception_handler(lambda loop, context: None)  # a thread that prints spoils a notebook
        with contextlib.closing(self.loop):
            self.loop.run_until_complete(self._live())

    async def _live(self) -> None:
        self._listen()
        await self.ended.wait()
        async with self._one_at_a_time:
            self._enter("closed", 0.0)
            self._schedule(None)
            await self._stop_listening()
            await self._drop("fin")
            self._socket.close()

    # -- actions ------------------------------------------------------------------------------------------

    async def act(self, action: str, state: str, latency: float = 0.0, seconds: float | None = None) -> None:
        async with self._one_at_a_time:
            if self.state == "closed":  # while this waited for its turn
                return
            self.history.append(Action(time.monotonic(), action))
            if state != "refusing":
                self._listen()  # first: whoever reads that the wire is up may connect
            self._enter(state, latency)
            self._schedule(seconds)
            if state == "refusing":
                # In this order: a browser that is dropped comes back within a millisecond, and would be let in.
                await self._stop_listening()
                await self._drop("fin")

    async def cut(self, how: str) -> None:
        async with self._one_at_a_time:
            self.history.append(Action(time.monotonic(), f"cut {how}"))
            await self._drop(how)

    def _enter(self, state: str, latency: float) -> None:
        self.state, self.latency = state, latency
        self._changed.set()
        self._changed = asyncio.Event()
        for changed in self.watchers:
            with contextlib.suppress(Exception):  # a label that cannot be drawn must not keep the wire from changing
                changed(state)

    def _schedule(self, seconds: float | None) -> None:
        """Restore after ``seconds``, in place of what was scheduled before."""

        async def restore_later():
            await asyncio.sleep(seconds)
            await self.act("restore", "up")

        if self._timer is not None and self._timer is not asyncio.current_task():
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.create_task(restore_later())

    async def _drop(self, how: str) -> None:
        """Hang up on everyone."""
        await self._meet_the_waiting()
        tasks = list(self.connections)
        for task in tasks:
            for side in self.connections[task]:
                _hang_up(side, how)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- port ---------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        if self._listener is None:
            self._socket.listen(BACKLOG)
            self._listener = self.loop.create_task(self._accept())

    async def _meet_the_waiting(self) -> None:
        """Take over the clients whom the operating system has let in and this proxy has not met yet."""
        await asyncio.sleep(0)  # one that was accepted in this very turn of the loop is in no list yet
        with contextlib.suppress(OSError):
            while self._listener:
                self._welcome(self._socket.accept()[0])

    async def _stop_listening(self) -> None:
        """Close the listening socket and bind its port again at once: bound but not listening, it refuses."""
        if self._listener is not None:
            await self._meet_the_waiting()
            self._listener.cancel()
            await asyncio.wait([self._listener])
            self._listener = None
            self._socket.close()
            self._socket = _bind(self.port)

    async def _accept(self) -> None:
        while True:
            try:
                self._welcome((await self.loop.sock_accept(self._socket))[0])
            except OSError:  # out of file descriptors, or the client has left already
                await asyncio.sleep(0.05)

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        task = self.loop.create_task(self._connect(client))
        self.connections[task] = [client]
        task.add_done_callback(self.connections.pop)

    # -- bytes --------------------------------------------------------------------------------------------

    async def _connect(self, client: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None, "it runs as one"
        sides = self.connections[task]
        try:
            await self._pass(None)
            server, to_server = await asyncio.open_connection(*self.upstream)
            sides.append(to_server)
            from_client, to_client = await asyncio.open_connection(sock=client)
            sides[0] = to_client
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._carry(from_client, to_server))
                both_ways.create_task(self._carry(server, to_client))
            for writer in (to_client, to_server):
                writer.close()
                await writer.wait_closed()
        except* OSError:
            for side in sides:
                _hang_up(side, "rst")  # one side broke, or there is no server: the other is told as abruptly
        finally:
            for side in sides:
                _hang_up(side, "fin")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way until their end, in two halves, so that a slow wire has many chunks on their way."""
        wire: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(IN_FLIGHT)

        async def receive():
            data = None
            while data != b"" and not isinstance(data, OSError):
                try:
                    data = await reader.read(CHUNK)
                except OSError as error:  # travels along the wire, behind the bytes that came before
                    data = error
                await wire.put((time.monotonic(), data))

        async with asyncio.TaskGroup() as halves:
            halves.create_task(receive())
            while True:
                arrived, data = await wire.get()
                await self._pass(arrived)
                if isinstance(data, OSError):
                    raise data
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.write_eof()

    async def _pass(self, arrived: float | None) -> None:
        """Wait until the wire lets pass what arrived at that time; None for a connection that is to be opened."""
        while True:
            seconds = None
            if self.state != "stalled":
                seconds = 0.0 if arrived is None else arrived + self.latency - time.monotonic()
                if seconds <= 0:
                    return
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await changed.wait()


def _bind(port: int) -> socket.socket:
    """A socket that holds ``port`` (0: a free one) and does not listen yet."""
    holder = socket.socket()
    holder.setblocking(False)
    try:
        if os.name == "posix":  # or the connections that just ended would keep the port; on Windows they do not
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, port))
    except OSError as error:
        holder.close()
        raise PortTaken(
            f"Port {port} could not be kept.", why=str(error), advice="make a new Outage(server)."
        ) from None
    return holder


def _hang_up(side: socket.socket | asyncio.StreamWriter, how: str) -> None:
    """Close without waiting for what is still to be sent. Leaves a side that is closing already alone."""
    writer = side if isinstance(side, asyncio.StreamWriter) else None
    if writer and writer.transport.is_closing():
        return
    wire = side.get_extra_info("socket") if isinstance(side, asyncio.StreamWriter) else side
    with contextlib.suppress(OSError):
        if how == "rst":
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        else:
            wire.shutdown(socket.SHUT_WR)  # FIN goes out even if bytes that nobody read make close() send RST
    writer.transport.abort() if writer else wire.close()
