"""What of a user's entries is there again when the server was started anew and the page is loaded again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from typing import Any

from sessionlab.checks.live import Bench, asked
from sessionlab.checks.outages import CHECK, LIFETIME
from sessionlab.client import widgets
from sessionlab.client.tab import FIND, Tab
from sessionlab.errors import VisitFailed
from sessionlab.server import Server

NAME = "state.survives"
ENTERED = ("toggle", "slider", "range", "text", "number", "select", "multiselect", "radio", "checks", "date", "color")
NOT_ENTERED = ("Card", "PasswordInput", "ChatAreaInput")  # a layout; a secret, which nobody should keep; what is sent
STORE = "SESSIONLAB_STORE"
SAVED = 1.0  # seconds of silence on the wire after which what was entered is where it is kept
SHOWN = 5.0  # seconds that a page takes at most to show it again
ADVICE = (
    "sessionlab.harden.persist(...) keeps it outside of the process, by tab or by user; recover_inputs(...) keeps "
    "4 KB of it in the page, where BOKEH_SECRET_KEY is the same in every process."
)
# As BokehJS does when a user is done with a widget: a patch for every attribute.
ENTER = f"([name, attributes, value]) => attributes.forEach(a => ({FIND})(name)?.setv({{[a]: value}}))"
READ = f"(entries) => entries.map(([name, attribute]) => ({FIND})(name)?.[attribute] ?? null)"


@dataclass(frozen=True)
class Entry:
    """An input with a name that no other has, the attributes that an edit of it changes, and a value to enter."""

    name: str
    attribute: str
    attributes: tuple[str, ...]
    value: Any


async def run(bench: Bench, browser) -> None:
    """Enter something, start the server anew, load the page again, and compare."""
    if not bench.wants(NAME):
        return
    if browser is None:
        bench.skip([NAME], "What a page shows again takes a browser, and there is none.")
        return
    bench.tell("what survives a restart")
    await bench.step([NAME], lambda: _measured(bench, browser), seconds=bench.left)


async def _measured(bench: Bench, browser) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = {} if STORE in {**os.environ, **bench.env} else {STORE: folder}  # nothing gets into the user's own store
        flags = bench.flags.without(LIFETIME, CHECK)
        server = await asked(bench.serve, flags=flags, env=kept, lifetime=3600, check=3600)
        with server:
            entries = await _entries(bench, server)
            if not entries:
                bench.found(NAME, "pass", "The page has nothing to enter that has a name.")
                return
            async with await browser.open(server.url) as tab:
                untouched = await _read(tab, entries)
                for entry in entries:
                    await tab.page.evaluate(ENTER, [entry.name, entry.attributes, entry.value])
                await tab.settle(silence=SAVED, at_most=10 * SAVED)
                entered = await _read(tab, entries)
                await asked(server.restart)
                await tab.load(tab.page.url)  # which may hold some of it
                # an application may change an input back, or take it away, as another one is changed
                changed = [n for n, value in enumerate(entered) if value not in (None, untouched[n])]

                async def lost() -> list[str]:
                    now = await _read(tab, entries)
                    return [entries[n].name for n in changed if now[n] != entered[n]]

                async def everything_is_there() -> bool:
                    return not await lost()

                with contextlib.suppress(VisitFailed):
                    await tab.wait_for(everything_is_there, SHOWN)
                if changed:
                    _judge(bench, len(changed), await lost())
                else:
                    bench.skip([NAME], "Nothing that was entered stayed on the page: the application changes it back.")


async def _read(tab: Tab, entries: list[Entry]) -> list:
    return await tab.page.evaluate(READ, [[entry.name, entry.attribute] for entry in entries])


def _judge(bench: Bench, number: int, lost: list[str]) -> None:
    after = "after the server was started anew and the page loaded again"
    if not lost:
        bench.found(NAME, "pass", f"All of {number} inputs had their values {after}.")
        return
    few = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    bench.found(NAME, "warn", f"{len(lost)} of {number} inputs had lost what was entered {after}: {few}.", ADVICE)


async def _entries(bench: Bench, server: Server) -> list[Entry]:
    """What can be entered in the page."""
    session = await bench.visit(server.url)
    try:
        found = [
            (widget, session.models[widget.id])
            for widget in session.widgets
            if widget.kind in ENTERED and widget.type not in NOT_ENTERED and widget.other_value() is not None
        ]
        names = [widget.name for widget, _ in found]
        return [_entry(widget, model) for widget, model in found if widget.name and names.count(widget.name) == 1]
    finally:
        await session.close()


def _entry(widget: widgets.Widget, model) -> Entry:
    kind = widgets.KINDS[model.short_type]
    attribute = kind.attribute or "value"
    return Entry(widget.name, attribute, (*kind.before, attribute, *kind.after), widget.other_value())
