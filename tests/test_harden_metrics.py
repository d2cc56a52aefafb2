"""/metrics and /readyz: what they say is what happened."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import AsyncHTTPClient

from sessionlab import serve, visit
from sessionlab.errors import ConnectionRefused, VisitFailed

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

APP = """
    import time
    import panel as pn
    from sessionlab.harden import on_session_destroyed
    from sessionlab.harden import SessionLimits

    SessionLimits(retained=3, live=6).install()
    if "slow" in pn.state.session_args:
        time.sleep(0.3)
    if "failing" in pn.state.session_args:
        pn.state.on_session_destroyed(lambda context: 1 / 0)
        on_session_destroyed(lambda context: 1 / 0)
    on_session_destroyed(lambda context: None)
    session = pn.state.curdoc.session_context
    block = pn.widgets.Button(name="block", on_click=lambda e: session.session.block_expiration())
    unblock = pn.widgets.Button(name="unblock", on_click=lambda e: session.session.unblock_expiration())
    pn.Column(block, unblock).servable()
"""


@pytest.fixture(scope="module")
def server(app):
    arguments = ["--plugins", "sessionlab.harden.metrics"]
    with serve(app(APP), lifetime=0.5, check=0.1, token_expiration=3, panel_args=arguments) as server:
        yield server


async def get(url: str) -> tuple[int, str]:
    answer = await AsyncHTTPClient().fetch(url, raise_error=False)
    return answer.code, answer.body.decode()


async def scrape(server) -> dict[str, float]:
    """Every sample by name and labels, as ``sessionlab_refused_total live``; histograms without their buckets."""
    status, text = await get(f"{server.origin}/metrics")
    assert status == 200
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join([s.name, *s.labels.values()]): s.value for s in samples if "le" not in s.labels}


async def change(server, before: dict[str, float], **expected: float) -> None:
    """Wait until these samples, without their prefix, have changed by as much since ``before``."""
    async with asyncio.timeout(5):
        while True:
            now = await scrape(server)
            seen = {name: now.get(f"sessionlab_{name}", 0) - before.get(f"sessionlab_{name}", 0) for name in expected}
            if seen == expected:
                return
            await asyncio.sleep(0.05)


async def settled(server) -> dict[str, float]:
    """What is counted once nobody is there."""
    async with asyncio.timeout(10):
        while True:
            now = await scrape(server)
            if now["sessionlab_sessions_live /app"] == 0:
                return now
            await asyncio.sleep(0.05)


@pytest.mark.slow("sessions wait until they are discarded")
async def test_sessions_are_told_apart_by_state(server):
    before = await settled(server)
    async with visit(server.url) as anna:
        ben = await visit(server.url)
        await anna.click("block")
        await ben.close()
        await change(
            server,
            before,
            **{
                "sessions_live /app": 2,
                "sessions_connected /app": 1,
                "sessions_disconnected /app": 1,
                "sessions_blocked /app": 1,
                "sessions_created_total": 2,
                "sessions_destroyed_total": 0,
            },
        )
        await anna.click("unblock")
    after = await settled(server)
    assert after["sessionlab_sessions_destroyed_total"] == after["sessionlab_sessions_created_total"]


async def test_reconnects_are_counted_by_their_outcome(server):
    before = await settled(server)
    async with visit(server.url) as session:
        await session.drop()
        await session.reconnect()  # in time
        await change(server, before, **{"reconnects_total resumed": 1, "reconnects_total restarted": 0})
        await session.close()
        await settled(server)
        await session.reconnect()  # too late for the session, in time for the token
        await change(server, before, **{"reconnects_total resumed": 1, "reconnects_total restarted": 1})
        await session.close()
        expired = asyncio.get_running_loop().time() + 3.5
        await settled(server)
        await asyncio.sleep(expired - asyncio.get_running_loop().time())
        with pytest.raises(ConnectionRefused):
            await session.reconnect()
    await change(server, before, **{"reconnects_total refused": 1, "token_refusals_total expired": 1})


async def test_refused_visitors_and_evicted_sessions_are_counted(server):
    before = await settled(server)
    visitors = [await visit(server.url) for _ in range(6)]
    with pytest.raises(VisitFailed, match="503"):
        await visit(server.url)
    await change(server, before, **{"refused_total live": 1, "reconnects_total refused": 0})
    for visitor in visitors:
        await visitor.close()
    await change(server, before, **{"evicted_total retained": 3})


async def test_failing_hooks_of_panel_and_of_harden_are_counted(server):
    before = await settled(server)
    async with visit(f"{server.url}?failing"):
        pass
    await change(server, before, hook_failures_total=2)


async def test_times_are_in_the_histograms(server):
    before = await settled(server)
    async with visit(f"{server.url}?slow"):
        pass
    after = await settled(server)
    builds, seconds = (
        after[name] - before[name]
        for name in ("sessionlab_session_build_seconds_count", "sessionlab_session_build_seconds_sum")
    )
    assert builds == 1 and 0.3 <= seconds < 2
    assert 0.5 <= after["sessionlab_session_age_seconds_sum"] - before["sessionlab_session_age_seconds_sum"] < 5
    text = (await get(f"{server.origin}/metrics"))[1]
    assert 'sessionlab_session_build_seconds_bucket{le="0.25"}' in text


async def test_the_memory_of_the_process_and_the_metrics_of_the_application_are_there_too(server):
    now = await scrape(server)
    assert now["process_resident_memory_bytes"] > 5e7
    assert "python_gc_collections_total 0" in now


async def test_readyz_says_yes(server):
    """What it says while the server drains is in test_deploy.py, where those who route visitors ask."""
    assert await get(f"{server.origin}/readyz") == (200, '{"ready": true}')
    assert (await scrape(server))["sessionlab_draining"] == 0


WITHOUT_PROMETHEUS = """
import sys
sys.modules["prometheus_client"] = None  # as if it were not installed
from sessionlab.harden.metrics import ROUTES
from tornado.testing import AsyncHTTPTestCase
from tornado.web import Application

class Case(AsyncHTTPTestCase):
    def get_app(self):
        return Application(ROUTES)

    def runTest(self):
        answer = self.fetch("/metrics")
        print(answer.code, answer.body.decode().strip(), self.fetch("/readyz").code)

Case().debug()
"""


def test_without_prometheus_it_says_what_is_missing():
    done = subprocess.run([sys.executable, "-c", WITHOUT_PROMETHEUS], capture_output=True, text=True)
    assert done.stdout == "501 /metrics needs prometheus_client: pip install prometheus-client 200\n", done.stderr
