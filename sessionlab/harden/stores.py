"""Where `persist` keeps values: SQLite, Redis, memory, or a store of your own.

A store is any object with three coroutines:

    async def get(key: str) -> bytes | None
    async def set(key: str, value: bytes, seconds: float) -> None    # kept for so many seconds
    async def delete(key: str) -> None

Keys are 64 hexadecimal digits; values are sealed, and mean nothing to the store. What a store raises is noted and tried
again: it never stops an application.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

VARIABLE = "SESSIONLAB_STORE"  # of the environment: a folder, a file or an address
SWEEP = 3600.0  # seconds between two looks for what nobody needs any more
PREFIX = "sessionlab:state:"  # of the keys in Redis


@runtime_checkable
class Store(Protocol):
    """What `persist` needs of a store."""

    async def get(self, key: str) -> bytes | None: ...

    async def set(self, key: str, value: bytes, seconds: float) -> None: ...

    async def delete(self, key: str) -> None: ...


class MemoryStore:
    """In this process, and gone with it: for tests."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, float]] = {}

    async def get(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, 0.0))
        return value if time.time() < until else None

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        self._values[key] = value, time.time() + seconds

    async def delete(self, key: str) -> None:
        self._values.pop(key, None)


class SqliteStore:
    """A file that several processes of one machine may share. It works in a thread of its own.

    Parameters
    ----------
    file : is made, with its folder, when something is kept first. Only this user may read it.
    """

    def __init__(self, file: str | os.PathLike):
        self.file = Path(file)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="persist")
        self._connection: sqlite3.Connection | None = None
        self._swept = 0.0

    async def get(self, key: str) -> bytes | None:
        rows = await self._do("SELECT value FROM state WHERE key = ? AND until > ?", key, time.time())
        return rows[0][0] if rows else None

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        await self._do("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", key, value, time.time() + seconds)

    async def delete(self, key: str) -> None:
        await self._do("DELETE FROM state WHERE key = ?", key)

    async def _do(self, statement: str, *values) -> list:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, statement, values)

    def _run(self, statement: str, values: tuple) -> list:
        try:
            connection = self._connection or self._open()
            with connection:
                if time.time() - self._swept > SWEEP:
                    connection.execute("DELETE FROM state WHERE until < ?", [time.time()])
                    self._swept = time.time()
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None  # the file may be another one by now
            raise

    def _open(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.file.touch(mode=0o600)
        connection = sqlite3.connect(self.file, timeout=5.0, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # nothing is lost when the process dies
        connection.execute("CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB, until REAL)")
        self._connection = connection
        return connection


class RedisStore:
    """A Redis that all processes and machines share, at ``redis://`` or, with TLS, ``rediss://``.

    Raises ImportError where redis-py is missing.
    """

    def __init__(self, address: str):
        try:
            from redis import asyncio as redis
        except ImportError as error:
            raise ImportError("a store in Redis needs redis-py: pip install 'sessionlab[persist]'") from error
        self._redis, self._address = redis, address
        self._clients: dict[asyncio.AbstractEventLoop, redis.Redis] = {}  # a connection belongs to a loop

    async def get(self, key: str) -> bytes | None:
        return await self._client().get(PREFIX + key)

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        await self._client().set(PREFIX + key, value, px=max(1, round(1000 * seconds)))

    async def delete(self, key: str) -> None:
        await self._client().delete(PREFIX + key)

    def _client(self):
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {each: client for each, client in self._clients.items() if not each.is_closed()}
            self._clients[loop] = self._redis.from_url(
                self._address, socket_timeout=2.0, socket_connect_timeout=2.0, health_check_interval=10
            )
        return self._clients[loop]


def default_folder() -> Path:
    """Where files are kept when nobody says: where the XDG specification puts the state of this user's programs."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sessionlab"


def open_store(wanted: object, application: str) -> Store:
    """The store that is ``wanted``: one of your own, an address, a file or a folder, or None for what is usual.

    Raises TypeError for what is no store, ValueError for an address of an unknown kind, ImportError without redis-py.
    """
    wanted = os.environ.get(VARIABLE) if wanted is None else wanted
    if wanted is None or wanted == "":
        wanted = default_folder()
    if isinstance(wanted, str) and "://" in wanted:
        if not wanted.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                f"a store at {wanted.partition('://')[0]}:// is not known; known are redis:// and rediss://"
            )
        return RedisStore(wanted)
    if isinstance(wanted, str | os.PathLike):
        place = Path(wanted)
        return SqliteStore(place if place.suffix else place / f"{application}.sqlite")
    if not isinstance(wanted, Store):
        raise TypeError(f"{wanted!r} is no store: it needs the coroutines get, set and delete")
    return wanted
