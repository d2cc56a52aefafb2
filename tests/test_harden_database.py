"""A real database: every connection that a session opens is closed, and no row is lost, whatever the visitors do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections import Counter

import pytest
from machine import alive

from sessionlab import serve, visit

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

VISITS = int(os.environ.get("SESSIONLAB_VISITS", "60"))  # 1000 on demand

DATABASE = """
    import os, sqlite3, uuid
    import panel as pn
    from sessionlab.harden import on_session_destroyed, session_locals

    me = uuid.uuid4().hex
    own = session_locals()
    own.db = sqlite3.connect(os.environ["DATABASE"], timeout=30)
    own.rows = []
    own.db.execute("select * from rows limit 1").fetchone()  # from here on the file is open

    def note(event):
        own.rows.append((me, button.clicks))
        count.value = button.clicks

    def write_and_close(context):
        with own.db:
            own.db.executemany("insert into rows values (?, ?)", own.rows)
        own.db.close()

    on_session_destroyed(write_and_close)
    button = pn.widgets.Button(name="note", on_click=note)
    count = pn.widgets.IntInput(name="count")
    pn.Column(button, count).servable()
"""


def connections(server, path) -> int:
    """How many times the processes of the server have the file open, seen from outside."""
    return sum(file.path == str(path) for p in server.processes for file in p.open_files())


async def visits_with_random_disconnects(server, visits: int, dice: random.Random) -> Counter:
    """Clicks that the visitors saw counted, by how a visit ended."""
    seen = Counter()
    gate = asyncio.Semaphore(8)

    async def one():
        async with gate:
            session = await visit(server.url)
            for click in range(1, dice.randint(0, 4) + 1):
                await session.click("note")
                await session.wait_for("count", value=click)
                seen["clicks"] += 1
                if dice.random() < 0.2:
                    await session.drop()
                    seen["dropped"] += 1
                    if dice.random() < 0.5:
                        await session.reconnect()
                        seen["reconnected"] += 1
                    else:
                        return
            if dice.random() < 0.5:
                await session.close()
            else:
                await session.drop()

    await asyncio.gather(*[one() for _ in range(visits)])
    return seen


@pytest.mark.slow("many sessions, one after the other, on a server that is restarted")
async def test_no_connection_left_and_no_row_lost(app, tmp_path):
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as db:
        db.execute("create table rows (session text, click integer)")
    db.close()
    dice = random.Random(4)
    with serve(app(DATABASE), lifetime=1, check=0.2, env={"DATABASE": str(path)}) as server:
        seen = await visits_with_random_disconnects(server, VISITS // 2, dice)
        assert connections(server, path) > 0, "this count can see an open connection"
        deadline = time.monotonic() + 10
        while connections(server, path):
            assert time.monotonic() < deadline, "sessions that have expired have closed their connections"
            await asyncio.sleep(0.1)
        seen += await visits_with_random_disconnects(server, VISITS // 2, dice)
        family = server.processes
        server.kill(signal.SIGTERM)
        assert server.wait() == 0
        assert not [p for p in family if alive(p.pid)]
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from rows").fetchone() == (seen["clicks"],)
    db.close()
    print(f"{VISITS} visits: {dict(seen)}")
    assert seen["dropped"] > 5 and seen["reconnected"] > 2


LEASE = """
    import os, sqlite3, time, uuid
    import panel as pn
    from sessionlab.harden import on_session_destroyed

    me, valid_for = uuid.uuid4().hex, 1.0
    db = sqlite3.connect(os.environ["DATABASE"], isolation_level=None)

    def renew():
        db.execute("insert or replace into leases values (?, ?)", (me, time.time() + valid_for))

    renew()
    pn.state.add_periodic_callback(renew, 200)
    on_session_destroyed(lambda context: (db.execute("delete from leases where holder = ?", (me,)), db.close()))
    pn.widgets.Button().servable()
"""


async def test_after_sigkill_only_what_expires_by_itself_goes(app, tmp_path):
    """No hook can run then. A lease carries the time at which it ends; nobody has to give it back."""
    path = tmp_path / "leases.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("create table leases (holder text primary key, until real)")

    def held():
        return db.execute("select count(*) from leases where until > ?", (time.time(),)).fetchone()[0]

    with serve(app(LEASE), env={"DATABASE": str(path)}) as server:
        async with visit(server.url):
            await asyncio.sleep(1.2)
            assert held() >= 1, "a session that lives renews its lease"
            server.kill(signal.SIGKILL)
            assert server.wait() == -signal.SIGKILL
    assert db.execute("select count(*) from leases").fetchone()[0] >= 1, "nobody gave it back"
    deadline = time.monotonic() + 1.5
    while held():
        assert time.monotonic() < deadline, "and still nobody holds it when its time has passed"
        await asyncio.sleep(0.05)
    db.close()
