"""How soon, and as what, a page comes back after an outage: Panel as it is, and with `harden.reconnect()`.

    python benchmarks/reconnect.py

One run in Chromium of about six minutes prints two tables.

1. Outages of random length, 1 to 28 s, in sessions that live through them. Seconds from the moment the network is back
   to the moment the page has its session again. Stock Panel tries no more after 30 s, so none is longer.
2. The matrix: outages of 1, 10 and 40 s; pages younger and older than their token; lists and arrays; the wire cut in
   front of the server, and in front of a JupyterLab with jupyter-server-proxy. Sessions live for 20 s without a page,
   so the right outcomes are resumed, resumed and, after 40 s, restarted, or refused if the token is too old.
   What a page *did* is found by clicks and values, not by what it *said*.
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
from sessionlab.course.jupyter import JupyterServer
from sessionlab.visit.browser import Browser

APP = """
import itertools, os
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
plot.line({data}, {data}, name="line")
pn.Column(pn.widgets.Button(name="add one", on_click=clicked), count, born, children, plot).servable()
"""
CALL = "from sessionlab.harden import reconnect\nreconnect()"
DATA = {"list": "list(range(50))", "array": "np.arange(50.0)"}
LISTEN = """() => { window.back_at = null
  Bokeh.documents[0].on_event("client_reconnected", () => { window.back_at = Date.now() }) }"""
NOTICE = "document.querySelector('#sessionlab_reconnect')?.dataset.outcome"
DRAWN = """((data) => (data.get ? data.get('x') : data.x)[7])(
  doc.get_model_by_name('plot').renderers[0].data_source.data) == 7"""
LIFETIME = 20
OUTAGES = 30
TABS = 6  # at a time for the first table, of each kind


def apps(folder: Path, call: str) -> list[Path]:
    paths = []
    for name, data in DATA.items():
        path = folder / f"{name}.py"
        path.write_text(APP.format(call=call, data=data))
        paths.append(path)
    return paths


@contextlib.contextmanager
def servers(kinds: dict[str, str], **options):
    """A server for each kind of application, by kind."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind, call in kinds.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            made[kind] = stack.enter_context(serve(apps(folder, call), **options))
        yield made


# -- how soon ---------------------------------------------------------------------------------------------------


async def come_back(browser: Browser, server, lengths: list[float]) -> list[float]:
    """Seconds from the network's return to the session's, for each outage, in one tab."""
    seconds = []
    with Outage(server) as outage:
        tab = await browser.open(outage.urls["/list"], timeout=60)
        for length in lengths:
            await tab.page.evaluate(LISTEN)
            outage.refuse()
            await asyncio.sleep(length)
            outage.restore()
            began = time.time()
            await tab.wait_for("window.back_at", timeout=60)
            seconds.append(await tab.page.evaluate("window.back_at") / 1000 - began)
            await tab.settle(at_most=5)
        await tab.close()
    return seconds


async def how_soon(browser: Browser) -> None:
    lengths = [random.uniform(1, 28) for _ in range(OUTAGES)]
    shares = [lengths[i::TABS] for i in range(TABS)]
    with servers({"stock": "", "hardened": CALL}, lifetime=120) as made:
        jobs = [come_back(browser, server, share) for server in made.values() for share in shares]
        done = await asyncio.gather(*jobs)
    print(f"\n1. Seconds from network back to session resumed, {OUTAGES} outages of 1 to 28 s\n")
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
        return f"{self.did}, said {self.said or 'nothing'}"


CELLS = [Cell(*c) for c in itertools.product((1, 10, 40), ("younger", "older"), DATA, ("direct", "proxy"))]


async def outcome(browser: Browser, cell: Cell, kind: str, server, jupyter: JupyterServer) -> Outcome:
    address = server.urls[f"/{cell.data}"]
    if cell.way == "proxy":
        address = f"{jupyter.url}proxy/{server.port}/{cell.data}?token={jupyter.token}"
    with Outage(address) as outage:
        tab = await browser.open(outage.url, timeout=120)
        await tab.click("add one")
        await tab.wait_for("Bokeh.documents[0].get_model_by_name('plot') && true")
        await asyncio.sleep(4)  # an older page is now older than its token
        born = await tab.value("born")
        outage.refuse()
        await asyncio.sleep(cell.outage)
        outage.restore()
        with contextlib.suppress(Exception):
            if kind == "hardened":
                await tab.wait_for(f"['resumed', 'restarted', 'refused'].includes({NOTICE})", timeout=20)
                said = await tab.page.evaluate(NOTICE)
        if kind == "stock":
            await asyncio.sleep(20)  # its last attempt comes 16 s after the one before
            texts = [toast.text for toast in tab.toasts if toast.what != "gone"]
            said = "re-established" if texts and "re-established" in texts[-1] else "lost, click here"
        did = await what_it_did(tab, born)
        await tab.close()
    return Outcome(did, said)


async def what_it_did(tab, born: int) -> str:
    before = await tab.value("count")
    with contextlib.suppress(Exception):
        await tab.click("add one")
    with contextlib.suppress(Exception):
        await tab.wait_for(lambda: still(tab, before + 1), timeout=3)
        children = await tab.bokeh("[...doc.all_models].filter((m) => m.text?.includes?.('child')).length")
        if children != before + 1:
            return "deaf"
        if not await tab.bokeh(DRAWN):
            return "garbled"
        return "resumed" if (await tab.value("born"), before) == (born, 1) else "restarted"
    return "refused" if await tab.value("count") == before else "deaf"


async def still(tab, count: int) -> bool:
    if await tab.value("count") != count:
        return False
    return await tab.bokeh(f"[...doc.all_models].filter((m) => m.text?.includes?.('child')).length == {count}")


async def as_what(browser: Browser) -> bool:
    kinds = {"stock": "", "hardened": CALL}
    room = asyncio.Semaphore(24)

    async def one(*args) -> Outcome:
        async with room:
            try:
                return await outcome(browser, *args)
            except Exception as error:
                return Outcome(f"error ({str(error).splitlines()[0][:60]})", "")

    with (
        servers(kinds, lifetime=LIFETIME, check=1) as young,
        servers(kinds, lifetime=LIFETIME, check=1, token_expiration=3) as old,
        JupyterServer() as jupyter,
    ):
        made = {"younger": young, "older": old}
        jobs = [(cell, kind, made[cell.page][kind], jupyter) for cell in CELLS for kind in kinds]
        done = await asyncio.gather(*(one(*job) for job in jobs))
    print("\n2. What became of the page; * marks what is not right\n")
    print(f"{'outage':>6}  {'page':8} {'data':6} {'way':7} {'right':10} {'stock':34} hardened")
    right = {kind: 0 for kind in kinds}
    for cell, (stock, hard) in zip(CELLS, zip(done[::2], done[1::2], strict=True), strict=True):
        good = {"stock": stock.did == cell.right, "hardened": hard.did == hard.said == cell.right}
        for kind in kinds:
            right[kind] += good[kind]
        marks = {kind: " " if good[kind] else "*" for kind in kinds}
        print(
            f"{cell.outage:4} s  {cell.page:8} {cell.data:6} {cell.way:7} {cell.right:10} "
            f"{marks['stock']}{stock!s:34}{marks['hardened']}{hard}"
        )
    print("\nright: " + ", ".join(f"{kind} {right[kind]} of {len(CELLS)}" for kind in kinds), flush=True)
    return right["hardened"] == len(CELLS)


async def main() -> int:
    async with Browser() as browser:
        await how_soon(browser)
        return 0 if await as_what(browser) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
