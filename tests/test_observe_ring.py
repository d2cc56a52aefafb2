"""The memory in which events are kept: bounded, ordered, safe to write from threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sessionlab.agent.ring import EventRing, MemoryLine


def test_events_come_back_in_order_and_numbered():
    ring = EventRing(4096)
    for i in range(5):
        ring.append({"event": "e", "i": i})
    answer = ring.since(1)
    assert [(e["n"], e["i"]) for e in answer["events"]] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    assert (answer["next"], answer["dropped"]) == (6, 0)
    assert ring.since(6) == {"events": [], "next": 6, "dropped": 0}
    assert [e["i"] for e in ring.since(4)["events"]] == [3, 4]


def test_the_oldest_make_room_and_are_counted():
    ring = EventRing(3000)
    size = ring.nbytes
    for i in range(500):
        ring.append({"i": i, "text": "ä" * (i % 40)})  # of all lengths, so that records wrap around the end
    answer = ring.since(1)
    kept = [e["i"] for e in answer["events"]]
    assert kept == list(range(500 - len(kept), 500))
    assert 3 < len(kept) < 60
    assert answer["dropped"] == 500 - len(kept)
    assert ring.nbytes == size


def test_an_event_that_is_too_long_does_no_harm():
    ring = EventRing(1000)
    ring.append({"i": 1})
    ring.append({"text": "x" * 5000})
    ring.append({"i": 2})
    assert [e["i"] for e in ring.since(1)["events"]] == [1, 2]


def test_clear_forgets_but_goes_on_counting():
    ring = EventRing(1000)
    ring.append({"i": 1})
    ring.clear()
    assert ring.since(1) == {"events": [], "next": 2, "dropped": 0}
    ring.append({"i": 2})
    assert [e["n"] for e in ring.since(1)["events"]] == [2]


def test_threads_lose_no_event():
    ring = EventRing(1 << 20)
    threads = [threading.Thread(target=lambda: [ring.append({"i": i}) for i in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e["i"] for e in ring.since(1)["events"]) == sorted(list(range(300)) * 4)


async def test_who_waits_is_woken_by_an_event_from_a_thread():
    ring = EventRing(1000)
    waiting = asyncio.create_task(ring.wait(1, 5.0))
    await asyncio.sleep(0)
    thread = threading.Thread(target=ring.append, args=({"i": 1},))
    thread.start()
    await asyncio.wait_for(waiting, 1.0)
    thread.join()
    assert ring.since(1)["events"][0]["i"] == 1


async def test_waiting_ends_without_an_event():
    ring = EventRing(1000)
    await asyncio.wait_for(ring.wait(1, 0.05), 1.0)
    assert ring.since(1)["events"] == []


def test_the_memory_line_keeps_the_newest_samples():
    sizes = iter(range(100))
    line = MemoryLine(lambda: next(sizes), samples=10)
    for _ in range(25):
        line.sample(apart=0)
    samples = line.since(0)
    assert [size for _, size in samples] == list(range(15, 25))
    assert line.since(samples[4][0]) == samples[5:]
    line.sample(apart=60)
    assert len(line.since(0)) == 10 and line.since(0)[-1][1] == 24, "sampled again although it was too soon"
    line.clear()
    assert line.since(0) == []


@pytest.mark.parametrize("samples", [1, 7])
def test_the_memory_line_takes_its_memory_at_once(samples):
    assert MemoryLine(lambda: 0, samples).nbytes == 16 * samples
