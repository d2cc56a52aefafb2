"""A hardened application under random outages: is a click lost while a page is connected, does a session survive?

    python benchmarks/random_outages.py --minutes 10

Pages in Chromium and visitors without a browser click on one server, each through a wire of its own. The wires are cut,
refused for up to 15 s and stalled at random, about every 8 s. A session lives for 10 s without a page, a token for
45 s: so pages resume, restart and, once they are old, are refused; who is refused loads the page again.

A click counts as made while connected when its connection lasted until the answer should have come: it has to be
answered, within 30 s. Where the wire broke between click and answer, nobody can promise anything; after that the page
has to show the state before the click or after it, if it says "resumed", and a fresh one if it says "restarted".

Exit code 1 if a click or a state was lost, or if a session or a resource is left when everybody has gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sessionlab import Outage, serve, visit
from sessionlab.client.browser import Browser
from sessionlab.errors import SessionLabError, VisitFailed

APP = """
import panel as pn
from sessionlab.harden import block_expiration, on_session_destroyed, reconnect, session_locals
reconnect()
pn.extension(notifications=True)
count = pn.widgets.IntInput(name="count", value=0)
children = pn.Column()

def clicked(event):
    with block_expiration(linger=1):
        count.value += 1
        children[:] = [pn.pane.HTML(f"child {count.value}")]

print("a resource is opened", flush=True)
session_locals().resource = "of this session"
on_session_destroyed(lambda context: print(session_locals().resource, "is closed", flush=True))
pn.Column(pn.widgets.Button(name="add one", on_click=clicked), count, children).servable()
"""
NOTICE = "document.querySelector('#sessionlab_reconnect').dataset.outcome"
LISTEN = """() => { [window.outcomes, window.up] = [[], true]
  const [doc] = Bokeh.documents
  doc.on_event('connection_lost', () => { window.up = false })
  doc.on_message('sessionlab_reconnect', (message) => {
    if (message.outcome) { outcomes.push(message.outcome); window.up = true }
  }) }"""
LOOK = "[up, outcomes, [...doc.all_models].find((model) => model.title == 'count').value]"
SHOWS = "[...doc.all_models].some((model) => model.text"
ANSWER = 30  # seconds
PAGES, VISITORS = 4, 4


class Tally(Counter):
    """What happened, by name."""

    def lost(self, what: str) -> None:
        self[what] += 1
        print(f"LOST: {what}", flush=True)


# -- the wire ---------------------------------------------------------------------------------------------------


async def disturb(outage: Outage, ends: float, tally: Tally) -> None:
    """Break one wire again and again, and leave it whole."""
    while (left := ends - time.monotonic()) > 20:
        await asyncio.sleep(min(left, random.expovariate(1 / 8)))
        what = random.choice(["cut", "reset", "refusal", "refusal", "stall"])
        tally[f"outages: {what}"] += 1
        if what in ("cut", "reset"):
            await asyncio.to_thread(outage.cut, "fin" if what == "cut" else "rst")
            continue
        await asyncio.to_thread(outage.stall if what == "stall" else outage.refuse)
        await asyncio.sleep(random.uniform(0.1, 5 if what == "stall" else 15))
        await asyncio.to_thread(outage.restore)


# -- a page -----------------------------------------------------------------------------------------------------


async def click_on_a_page(browser: Browser, server, ends: float, tally: Tally) -> None:
    with Outage(server) as outage:
        # It is loaded, and loaded again, while its wire is whole: nothing of ours runs before that.
        while time.monotonic() < ends - 20:
            async with await browser.open(outage.url, timeout=120) as tab:
                await tab.page.evaluate(LISTEN)
                breaking = asyncio.create_task(disturb(outage, ends, tally))
                try:
                    await click_until_refused(tab, ends, tally)
                finally:
                    breaking.cancel()
                    await asyncio.gather(breaking, return_exceptions=True)
                    outage.restore()


async def click_until_refused(tab, ends: float, tally: Tally) -> None:
    answered, told, in_flight = 0, 0, False
    while time.monotonic() < ends:
        await asyncio.sleep(random.uniform(0, 0.5))
        up, outcomes, shown = await tab.bokeh(LOOK)
        if not up:
            if await tab.wait_for(f"up ? 'up' : {NOTICE} == 'refused' && 'refused'", timeout=120) == "refused":
                tally["pages: refused"] += 1
                return
            continue
        if new := outcomes[told:]:
            tally.update(f"pages: {said}" for said in new)
            right = [0] if "restarted" in new else [answered, answered + in_flight]
            if shown not in right:
                tally.lost(f"a state: {new}, {answered} clicks answered, the page shows {shown}")
            answered, told, in_flight = shown, len(outcomes), False
        connection = len(tab.sockets)
        await tab.page.get_by_role("button", name="add one").click()
        match await outcome_of_click(tab, connection, answered + 1):
            case True:
                tally["clicks answered"] += 1
                answered += 1
            case False:
                tally["clicks when the wire broke"] += 1
                in_flight = True
            case None:
                tally.lost("a click of a connected page")
                return


async def outcome_of_click(tab, connection: int, expected: int) -> bool | None:
    """True: answered; False: its connection ended before; None: neither, for `ANSWER` seconds."""

    async def settled():
        if await tab.value("count") == expected and await tab.bokeh(f"{SHOWS} == 'child {expected}')"):
            return "answered"
        return "broken" if len(tab.sockets) > connection or tab.sockets[-1].closed is not None else None

    try:
        return await tab.wait_for(settled, timeout=ANSWER) == "answered"
    except VisitFailed:
        return None


# -- a visitor without a browser --------------------------------------------------------------------------------


async def click_without_a_browser(server, ends: float, tally: Tally) -> None:
    """Comes, clicks, stays a while, goes; comes back to its session if the wire breaks, as long as its token lasts."""
    with Outage(server) as outage:
        breaking = asyncio.create_task(disturb(outage, ends, tally))
        try:
            while time.monotonic() < ends:
                with contextlib.suppress(SessionLabError):  # the wire broke while it came
                    async with visit(outage.url, timeout=ANSWER) as session:
                        await click_and_go(session, min(ends, time.monotonic() + random.uniform(5, 60)), tally)
                await asyncio.sleep(random.uniform(0, 2))
        finally:
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)


async def click_and_go(session, ends: float, tally: Tally) -> None:
    tally["visits without a browser"] += 1
    while time.monotonic() < ends:
        await asyncio.sleep(random.uniform(0, 0.5))
        expected = session.value("count") + 1
        try:
            await session.click("add one")
            await session.wait_for("count", value=expected, timeout=ANSWER)
            tally["clicks answered"] += 1
        except SessionLabError:
            if not session.closed:
                return tally.lost("a click of a connected visitor")
            tally["clicks when the wire broke"] += 1
            while session.closed and time.monotonic() < ends:
                with contextlib.suppress(SessionLabError):
                    await session.reconnect()
                await asyncio.sleep(0.5)


# -- together ---------------------------------------------------------------------------------------------------


async def run(minutes: float) -> bool:
    tally, ends = Tally(), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        app.write_text(APP)
        with serve(app, lifetime=10, check=1, token_expiration=45) as server:
            async with visit(server.url) as first:  # some things are kept once, whoever comes
                await first.click("add one")
            server.probe.end(first.id)
            before = server.probe.census(settle=True)
            async with Browser() as browser:
                pages = [click_on_a_page(browser, server, ends, tally) for _ in range(PAGES)]
                visitors = [click_without_a_browser(server, ends, tally) for _ in range(VISITORS)]
                await asyncio.gather(*pages, *visitors)
            for _ in range(60):
                if not (after := server.probe.census(settle=True)).sessions:
                    break
                await asyncio.sleep(1)
            opened, closed = (len(server.log.matching(what)) for what in ("resource is opened", "session is closed"))
    lost = sum(number for what, number in tally.items() if what.startswith("a "))
    for what in sorted(what for what in tally if not what.startswith("a ")):
        print(f"{what:32}{tally[what]:7}")
    print(f"{'clicks or states lost':32}{lost:7}")
    print(f"{'resources opened':32}{opened:7}")
    print(f"{'resources not closed':32}{opened - closed:7}")
    print(f"{'sessions left':32}{after.sessions:7}")
    print(f"{'Documents more than before':32}{after.documents - before.documents:7}", flush=True)
    return not (lost or opened - closed or after.sessions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    sys.exit(0 if asyncio.run(run(parser.parse_args().minutes)) else 1)
