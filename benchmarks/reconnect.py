"""How soon, and as what, a page comes back after an outage: Panel as it is, and with `harden.reconnect()`.

    python benchmarks/reconnect.py

One run in Chromium, of eight to ten minutes, most of them waiting, prints two tables.

1. Outages of random length, 1 to 28 s, in sessions that live through them. Seconds from the moment the network is back
   to the moment the page has its session again. Stock Panel tries no more after 30 s, so none is longer.
2. The matrix: outages of 1, 10 and 40 s; pages younger and older than their token; lists and arrays; the wire cut in
   front of the server, and in front of a JupyterLab with jupyter-server-proxy. Sessions live for 20 s without a page,
   and tokens of old pages for 30 s, so the right outcomes are resumed, resumed and, after 40 s, restarted, or refused
   if the token is too old. What a page *did* is found by clicks and values, not by what it *said*; both must be right.

Exit code 1 if the hardened application has a cell that is not right.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sessionlab import Outage, serve
from sessionlab.client.browser import Browser
from sessionlab.course.jupyter import JupyterServer
from sessionlab.errors import VisitFailed

APP = """
import itertools
import numpy as np
import panel as pn
from bokeh.plotting import figure
{call}
pn.extension(notifications=True, reconnect=True)
numbers = pn.state.as_cached("numbers", itertools.count)
count = pn.widgets.IntInput(name="count", value=0)
born = pn.widgets.IntInput(name="born", value=next(numbers))
children = pn.Column()

def clicked(event):
    count.value += 1
    children.append(pn.pane.HTML("child"))

plot = figure(height=150, name="plot")
plot.line({data}, {data})
pn.Column(pn.widgets.Button(name="add one", on_click=clicked), count, born, children, plot).servable()
"""
KINDS = {"stock": "", "hardened": "from sessionlab.harden import reconnect\nreconnect()"}
DATA = {"list": "list(range(50))", "array": "np.arange(50.0)"}
LISTEN = """() => { window.back_at = null
  Bokeh.documents[0].on_event("client_reconnected", () => { window.back_at = Date.now() }) }"""
NOTICE = "document.querySelector('#sessionlab_reconnect').dataset.outcome"
CHILDREN = "[...doc.all_models].filter((model) => model.text?.includes?.('child')).length"
DRAWN = """(() => { const {data} = doc.get_model_by_name('plot').renderers[0].data_source
  return (data.get ? data.get('x') : data.x)?.[7] == 7 })()"""
PANEL_SAYS = {"resumed": "re-established", "refused": "lost, click here"}  # and has no words for "restarted"
LIFETIME, TOKEN = 20, 30
OUTAGES = 30
TABS = 3  # of each kind at a time for the first table
ROOM, BUSY = 24, 3  # tabs at a time for the second; and of those, how many are loaded or clicked
PATIENCE = 60


@contextlib.contextmanager
def servers(**options):
    """A server for each kind of application, by kind; both serve ``/list`` and ``/array``."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind, call in KINDS.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            paths = [folder / f"{name}.py" for name in DATA]
            for path, data in zip(paths, DATA.values(), strict=True):
                path.write_text(APP.format(call=call, data=data))
            made[kind] = stack.enter_context(serve(paths, **options))
        yield made


# -- how soon ---------------------------------------------------------------------------------------------------


async def come_back(browser: Browser, server, lengths: list[float]) -> list[float]:
    """Seconds from the network's return to the session's, for each outage, in one tab."""
    seconds = []
    with Outage(server) as outage:
        async with await browser.open(outage.urls["/list"], timeout=120) as tab:
            for length in lengths:
                await tab.page.evaluate(LISTEN)
                outage.refuse()
                await asyncio.sleep(length)
                outage.restore()
                began = time.time()
                await tab.wait_for("window.back_at", timeout=60)
                seconds.append(await tab.page.evaluate("window.back_at") / 1000 - began)
                await tab.settle(at_most=5)
    return seconds


async def how_soon(browser: Browser) -> None:
    lengths = [random.uniform(1, 28) for _ in range(OUTAGES)]
    shares = [lengths[i::TABS] for i in range(TABS)]
    with servers(lifetime=120) as made:
        jobs = [come_back(browser, server, share) for server in made.values() for share in shares]
        done = await asyncio.gather(*jobs)
    print(f"1. Seconds from network back to session resumed, {OUTAGES} outages of 1 to 28 s\n")
    print(f"{'':10}{'outages':>9}{'p50':>9}{'p95':>9}{'longest':>9}")
    for number, kind in enumerate(made):
        seconds = sorted(itertools.chain(*done[number * TABS : (number + 1) * TABS]))
        p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        print(f"{kind:10}{len(seconds):9}{statistics.median(seconds):9.2f}{p95:9.2f}{seconds[-1]:9.2f}", flush=True)


# -- as what ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    outage: int
    page: str
    data: str
    way: str

    @property
    def right(self) -> str:
        if self.outage < LIFETIME:
            return "resumed"
        return "restarted" if self.page == "younger" else "refused"


@dataclass(frozen=True)
class Outcome:
    did: str
    said: str

    def __str__(self) -> str:
        return f"{self.did}, said {self.said}"


CELLS = [Cell(*c) for c in itertools.product((1, 10, 40), ("younger", "older"), DATA, ("direct", "proxy"))]


async def outcome(browser: Browser, busy: asyncio.Semaphore, cell: Cell, kind: str, server, jupyter) -> Outcome:
    """Open a page, let it grow old if the cell says so, cut the wire, and see what became of it."""
    address = server.urls[f"/{cell.data}"]
    if cell.way == "proxy":
        address = f"{jupyter.url}proxy/{server.port}/{cell.data}?token={jupyter.token}"
    with Outage(address) as outage:
        async with busy:
            tab = await browser.open(outage.url, timeout=PATIENCE)
            loaded = time.monotonic()
            assert await click(tab, 1), "the first click was not answered"
            born = await tab.value("born")
        async with tab:
            if cell.page == "older":
                await asyncio.sleep(max(0, loaded + TOKEN + 1 - time.monotonic()))
            outage.refuse()
            await asyncio.sleep(cell.outage)
            outage.restore()
            said = await what_it_said(tab, kind)
            async with busy:
                return Outcome(await what_it_did(tab, born), said)


async def what_it_said(tab, kind: str) -> str:
    if kind == "hardened":
        await tab.wait_for(f"['resumed', 'restarted', 'refused'].includes({NOTICE})", timeout=PATIENCE)
        return await tab.page.evaluate(NOTICE)
    await asyncio.sleep(18)  # its last attempt comes 16 s after the one before
    last = [toast.text for toast in tab.toasts if toast.what != "gone"][-1]
    return "re-established" if "re-established" in last else "lost, click here"


async def what_it_did(tab, born: int) -> str:
    before = await tab.value("count")
    if not await click(tab, before + 1):
        return "refused"
    if not await happens(tab, lambda: tab.bokeh(f"{CHILDREN} == {before + 1}")):
        return "deaf"
    if not await tab.bokeh(DRAWN):
        return "garbled"
    return "resumed" if (await tab.value("born"), before) == (born, 1) else "restarted"


async def click(tab, count: int) -> bool:
    """Whether a click makes the counter show ``count``."""
    await tab.page.get_by_role("button", name="add one").click(timeout=1000 * PATIENCE)
    return await happens(tab, lambda: reached(tab, count))


async def reached(tab, count: int) -> bool:
    return await tab.value("count") == count


async def happens(tab, condition) -> bool:
    try:
        return await tab.wait_for(condition, timeout=10)
    except VisitFailed:
        return False


async def as_what(browser: Browser) -> bool:
    room, busy = asyncio.Semaphore(ROOM), asyncio.Semaphore(BUSY)

    async def one(*args) -> Outcome:
        async with room:
            try:
                return await outcome(browser, busy, *args)
            except Exception as error:
                return Outcome(f"error ({str(error).splitlines()[0][:60]})", "nothing")

    with (
        servers(lifetime=LIFETIME, check=1) as young,
        servers(lifetime=LIFETIME, check=1, token_expiration=TOKEN) as old,
        JupyterServer() as jupyter,
    ):
        made = {"younger": young, "older": old}
        jobs = [(cell, kind, made[cell.page][kind], jupyter) for cell in CELLS for kind in KINDS]
        done = await asyncio.gather(*(one(*job) for job in jobs))
    print("\n2. What became of the page; * marks what is not right\n")
    print(f"{'outage':>6}  {'page':8} {'data':6} {'way':7} {'right':10} {'stock':34} hardened")
    right = dict.fromkeys(KINDS, 0)
    for cell, (stock, hard) in zip(CELLS, zip(done[::2], done[1::2], strict=True), strict=True):
        good = {
            "stock": stock.did == cell.right and stock.said == PANEL_SAYS.get(cell.right),
            "hardened": hard.did == hard.said == cell.right,
        }
        for kind in KINDS:
            right[kind] += good[kind]
        marks = {kind: " " if good[kind] else "*" for kind in KINDS}
        print(
            f"{cell.outage:4} s  {cell.page:8} {cell.data:6} {cell.way:7} {cell.right:10} "
            f"{marks['stock']}{stock!s:34}{marks['hardened']}{hard}"
        )
    print("\nright: " + ", ".join(f"{kind} {right[kind]} of {len(CELLS)}" for kind in KINDS), flush=True)
    return right["hardened"] == len(CELLS)


async def main() -> int:
    async with Browser() as browser:
        await how_soon(browser)
        return 0 if await as_what(browser) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
