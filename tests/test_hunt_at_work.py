"""What works on after its session: what is waited for, and what is given up."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import panel as pn
import pytest

from sessionlab.agent import at_work, names, watch
from sessionlab.client.scenario import Scenario
from sessionlab.leaks.visitors import Visitors
from sessionlab.server import serve


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        def watch(self, work, seconds):
            """Let time pass, looking at what works as often as a hunt does."""
            for _ in range(round(seconds / 0.05)):
                self.now += 0.05
                work.young(3.0)

    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.fixture
async def start():
    """Start a task that works until its event is set; those that a test forgets are ended."""
    tasks = []

    async def work(until):
        await until.wait()

    def start():
        until = asyncio.Event()
        tasks.append(asyncio.create_task(work(until)))
        tasks[-1].until = until
        return until, tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def end(one):
    until, task = one
    until.set()
    await task


async def test_what_worked_before_is_not_waited_for(start, clock):
    start()
    work = at_work.AtWork()
    assert work.young(3.0) == 0
    start()
    work.leave()
    assert work.young(3.0) == 1


async def test_what_has_ended_is_waited_for_no_longer(start, clock):
    work = at_work.AtWork()
    one = start()
    work.leave()
    assert work.young(3.0) == 1
    await end(one)
    assert work.young(3.0) == 0


async def test_what_begins_after_the_sessions_is_not_waited_for(start, clock):
    """Such as what an application does every second for all of its users: some of that works at any time."""
    work = at_work.AtWork()
    one = start()
    work.leave()
    start()
    assert work.young(3.0) == 1
    await end(one)
    assert work.young(3.0) == 0


async def test_as_long_as_one_or_the_other_ends_the_rest_is_worth_waiting_for(start, clock):
    """A queue of jobs for a few workers: every two seconds one ends, and the last after 40."""
    work = at_work.AtWork()
    jobs = [start() for _ in range(20)]
    work.leave()
    for left in range(20, 0, -1):
        assert work.young(3.0) == left
        clock.watch(work, 2.0)
        await end(jobs.pop())
    assert work.young(3.0) == 0


async def test_what_does_not_end_is_given_up_and_what_may_take_longer_is_not(start, clock):
    work = at_work.AtWork()
    start()
    work.leave()
    assert (work.young(3.0), work.young(10.0)) == (1, 1)
    clock.watch(work, 5.0)
    assert (work.young(3.0), work.young(10.0)) == (0, 1)
    start()  # of the same kind, and new
    work.leave()
    assert (work.young(3.0), work.young(10.0)) == (0, 2)
    clock.watch(work, 6.0)
    assert (work.young(3.0), work.young(10.0)) == (0, 0)


async def test_a_machine_that_stands_still_is_no_reason_to_give_up(start, clock):
    """What sleeps 0.1 s twenty times takes four seconds where nobody gets the processor for half of them."""
    work = at_work.AtWork()
    one = start()
    work.leave()
    assert work.young(3.0) == 1
    for _ in range(20):
        clock.now += 2.0
        assert work.young(3.0) == 1
    await end(one)
    assert work.young(3.0) == 0


async def test_what_was_given_up_and_ends_all_the_same_is_noticed(start, clock):
    work = at_work.AtWork()
    jobs = [start() for _ in range(3)]
    work.mark()
    clock.now += 20.0
    assert work.ended() == 0
    await end(jobs.pop())
    start()  # came after the mark
    assert work.ended() == 1


async def test_workers_of_a_pool_and_periodic_callbacks_are_no_work(clock):
    work = at_work.AtWork()
    callback = pn.state.add_periodic_callback(lambda: None, period=60_000)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(int).result()
        work.leave()
        found = work.young(3.0)
        callback.stop()
    assert found == 0


async def test_a_thread_is_work_and_names_what_it_holds(clock):
    work, done = at_work.AtWork(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    work.leave()
    found = work.young(3.0)
    name = names.path_name([threading, threading.__dict__, threading._active, thread, done])
    done.set()
    thread.join()
    assert found == 1
    assert name.startswith("Thread(") and "_active" not in name


async def test_what_is_remembered_is_no_object_that_the_collector_counts(start, clock):
    work = at_work.AtWork()
    jobs = [start() for _ in range(3)]
    work.leave()
    work.mark()
    work.young(3.0)
    await end(jobs.pop())
    work.young(3.0)
    tables = [table for table in vars(work).values() if isinstance(table, dict | frozenset)]
    kept = [x for table in tables for x in (*table, *(table.values() if isinstance(table, dict) else ()))]
    assert kept and not any(gc.is_tracked(x) for x in kept)


@pytest.mark.server
def test_a_connection_that_closes_late_is_waited_for_and_one_that_stays_is_not(tmp_path):
    app = tmp_path / "app.py"
    app.write_text("import panel as pn\npn.panel('here').servable()\n")
    with serve(app) as server:
        server.probe.extend("retainers")
        visitors = Visitors(server, Scenario.default(), time.monotonic() + 60, [])

        def count() -> int:
            return server.probe.ask("GET", "pace", older=0)["connections"]

        stays = HTTPConnection("127.0.0.1", server.port)
        stays.request("GET", "/app")
        stays.getresponse().read()
        visitors.rest()
        assert count() == 2
        leaves = HTTPConnection("127.0.0.1", server.port)
        leaves.request("GET", "/app")
        leaves.getresponse().read()
        threading.Timer(0.3, leaves.close).start()
        visitors.rest()
        assert count() == 2
        stays.close()
