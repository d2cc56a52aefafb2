"""A crowd of visitors on a real server: how many, how fast, and what is said of those who failed."""

from __future__ import annotations

import asyncio

import pytest

from sessionlab import serve
from sessionlab.client.crowd import Crowd, Visitor, visit_together
from sessionlab.errors import InvalidOption, VisitFailed

pytestmark = pytest.mark.usefixtures("preloaded")


@pytest.fixture(scope="module")
def server(app):
    with serve(app(), lifetime=30) as server:
        yield server


@pytest.mark.server
async def test_a_crowd_comes_so_many_at_a_time(server):
    here, most = set(), 0

    async def look_around(session):
        nonlocal most
        here.add(session.id)
        most = max(most, len(here))
        await asyncio.sleep(0.05)
        here.discard(session.id)

    crowd = await visit_together(server, 12, together=3, during=look_around, progress=True)
    assert most == 3
    assert len(crowd.visitors) == len(crowd.created) == 12 and crowd.failed == ()
    assert server.probe.census().connected == 0
    table = crowd.percentiles()
    assert list(table) == ["page", "created", "connect", "pull"]
    assert all(list(v.values()) == sorted(v.values()) and v[50] > 0 for v in table.values())
    assert table["created"][50] < table["page"][100], "a page is sent when its session has been built"
    assert crowd.server_cpu > 0.05 and crowd.own_cpu > 0 and crowd.share == crowd.own_cpu / crowd.server_cpu
    assert "12 visits" in str(crowd) and "session created" in str(crowd) and len(crowd.frame()) == 12


@pytest.mark.server
async def test_a_crowd_comes_at_a_rate_whatever_the_server_does(server):
    crowd = await visit_together(server, 6, rate=20, stay=0.5, together=1)
    begins = [v.begin for v in crowd.visitors]
    assert all(begin >= i / 20 - 0.001 for i, begin in enumerate(begins)), "too early"
    assert begins[-1] < 0.5, "it waited until somebody left"
    assert crowd.seconds > 0.5


@pytest.mark.server
async def test_visits_that_fail_are_noted_and_the_others_go_on(server):
    numbers = iter(range(6))

    async def sometimes(session):
        if next(numbers) % 3 == 0:
            raise VisitFailed("planted", why="for the test")

    crowd = await visit_together(server, 6, during=sometimes)
    assert [v.error for v in crowd.failed] == ["planted", "planted"]
    assert all(v.pull for v in crowd.visitors)
    assert "2 failed: planted" in str(crowd)
    assert server.probe.census().connected == 0


@pytest.mark.server
async def test_a_fault_of_the_caller_ends_the_crowd_and_leaves_nobody(server):
    async def wrong(session):
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await visit_together(server, 6, during=wrong)
    async with asyncio.timeout(5):  # visitors who were on their way in turn round at the door
        while (await asyncio.to_thread(server.probe.census)).connected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_without_a_probe_and_without_a_server():
    crowd = await visit_together("http://127.0.0.1:9/app", 3)
    assert len(crowd.failed) == 3 and (crowd.created, crowd.server_cpu, crowd.share) == ((), None, None)
    assert "did not answer" in crowd.failed[0].error


@pytest.mark.server
async def test_a_server_that_dies_under_the_crowd(app):
    with serve(app()) as server:
        arrived = 0

        async def fifth_kills(session):
            nonlocal arrived
            arrived += 1
            if arrived == 5:
                server.kill()

        crowd = await visit_together(server, 12, together=2, during=fifth_kills)
        assert len(crowd.visitors) == 12 and 4 <= len(crowd.failed) <= 8
        assert crowd.server_cpu is None, "nobody was left to ask"


@pytest.mark.parametrize("wrong", [{"visitors": 0}, {"rate": 0}, {"together": 0}, {"stay": -1}, {"visitors": 2.5}])
async def test_what_cannot_be_sent_is_refused(wrong):
    with pytest.raises(InvalidOption, match="cannot be sent"):
        await visit_together("http://127.0.0.1:9/", **wrong)


def test_percentiles_are_times_that_were_measured():
    visitors = tuple(Visitor(i, page=i / 100, connect=0.5, pull=None) for i in range(1, 101))
    crowd = Crowd(visitors, 10.0, (), 0.1, 2.0)
    assert crowd.percentiles() == {
        "page": {50: 0.5, 90: 0.9, 99: 0.99, 100: 1.0},
        "connect": {50: 0.5, 90: 0.5, 99: 0.5, 100: 0.5},
    }
    assert crowd.rate == 10.0 and crowd.share == 0.05
