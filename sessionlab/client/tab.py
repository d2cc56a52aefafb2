"""One page in a real browser, with a record of its websockets, its notifications and its console.

Made by `sessionlab.client.browser`. Times are seconds since the first page began to load, on the page's own clock;
``tab.began + time`` compares with `time.monotonic` and so with the history of an `Outage`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from sessionlab.client.screenshot import Screenshot, shrink
from sessionlab.client.seen import Attempt, Message, Toast
from sessionlab.errors import InvalidOption, VisitFailed

RECORDER = Path(__file__).with_name("record.js")
STEP = 0.1  # seconds of the page's clock between two looks at its websockets
# The model that a widget's name belongs to: Panel calls it name, Bokeh title or label.
# What was replaced stays among the models of BokehJS 3.9: the one that is drawn comes first.
FIND = """(name) => {
  const named = [...Bokeh.documents[0].all_models].filter((m) => [m.name, m.title, m.label].includes(name))
  return named.find((m) => Bokeh.index.find_one_by_id(m.id)) ?? named[0]
}"""
NAMES = """[...Bokeh.documents[0].all_models].map((m) => m.title || m.label).filter((name) => name)"""


class Tab:
    """A page that is open in Chromium.

    Attributes
    ----------
    page : the Playwright page, for everything that is not here.
    sockets : every `Attempt` to open a websocket, oldest first.
    toasts : every `Toast` as it was shown, changed or went.
    console, errors : every `Message` of the console; every uncaught error.
    began : `time.monotonic` when the first page began to load.

    Raises
    ------
    VisitFailed when the page cannot be loaded, or what is waited for does not happen in time.
    """

    def __init__(self, page, clock: bool):
        self.page = page
        self.toasts: list[Toast] = []
        self.console: list[Message] = []
        self.errors: list[Message] = []
        self.began = time.monotonic()
        self._clock = clock
        self._sockets: dict[tuple, Attempt] = {}
        self._origin: float | None = None  # milliseconds, of the first page
        self._recorded = asyncio.Event()
        page.on("console", lambda message: self._say(self.console, message.type, message.text))
        page.on("pageerror", lambda error: self._say(self.errors, "error", str(error)))

    @property
    def sockets(self) -> tuple[Attempt, ...]:
        return tuple(self._sockets.values())

    # -- record -------------------------------------------------------------------------------------------

    def _say(self, where: list[Message], level: str, text: str) -> None:
        where.append(Message(round(time.monotonic() - self.began, 3), level, text))
        self._recorded.set()

    def record(self, source, what: str, record: dict) -> None:
        """Called from the page, by ``record.js``."""
        if self._origin is None:
            self._origin = record["origin"]
            self.began = time.monotonic() - record["now"] / 1000
        at = round((record["origin"] - self._origin + record["now"]) / 1000, 3)
        if "toast" in record:
            self.toasts.append(Toast(at, what, record["text"], record["toast"]))
        elif "socket" in record:
            key = record["origin"], record["socket"]
            code = {"code": record["code"]} if what == "closed" else {}
            attempt = (
                Attempt(record["url"], at) if what == "attempt" else replace(self._sockets[key], **{what: at}, **code)
            )
            self._sockets[key] = attempt
        self._recorded.set()

    # -- wait ---------------------------------------------------------------------------------------------

    async def load(self, url: str, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - Playwright measures it
        """Go to ``url`` and wait until the page is loaded; for a Bokeh document, until it is drawn and silent."""
        async with self._asking(f"{url} could not be opened."):
            answer = await self.page.goto(url, timeout=timeout * 1000)
        if answer is not None and answer.status >= 400:
            text = (await self.page.inner_text("body"))[:500]
            raise VisitFailed(f"{url} answered with status {answer.status}.", why=text)
        if await self.page.evaluate("'Bokeh' in window"):
            await self.wait_for("Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle", timeout)
            await self.settle()

    async def settle(self, silence: float = 0.2, at_most: float = 2.0) -> None:
        """Wait until the server has answered, and no frame has passed for ``silence`` seconds; ``at_most`` so long.

        A wire that is cut within a message (three frames and more) leaves BokehJS 3.9 unable to reconnect.
        """
        deadline = time.monotonic() + at_most
        seen, since = None, time.monotonic()
        while time.monotonic() < min(deadline, since + silence):
            frames, unanswered = await self.page.evaluate("[window.sessionlab.frames, window.sessionlab.unanswered]")
            if frames != seen or unanswered > 0:
                seen, since = frames, time.monotonic()
            await asyncio.sleep(0.02)

    async def wait_for(self, condition: str | Callable, timeout: float = 10.0):  # noqa: ASYNC109 - see load
        """Wait until a JavaScript expression, or a function of no arguments (async or not), gives something true.

        Returns what it gave. ``timeout`` is in seconds.
        """
        if isinstance(condition, str):
            async with self._asking(f"Waited {timeout:g} s in vain for: {condition}"):
                handle = await self.page.wait_for_function(condition, timeout=timeout * 1000)
                return await handle.json_value()
        deadline = time.monotonic() + timeout
        while True:
            self._recorded.clear()
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            if time.monotonic() >= deadline:
                name = getattr(condition, "__name__", repr(condition))
                raise VisitFailed(f"Waited {timeout:g} s in vain for {name}.", why=self._evidence())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._recorded.wait(), 0.05)

    @contextlib.asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        from playwright.async_api import Error

        try:
            yield
        except Error as error:
            raise VisitFailed(what, why=f"{error.message.splitlines()[0]}\n{self._evidence()}") from None

    def _evidence(self) -> str:
        """The last that was seen, for an error."""
        seen = [f"websocket: {self.sockets[-1]}"] if self._sockets else []
        seen += [f"notification: {toast}" for toast in self.toasts[-1:]]
        seen += [f"error in the page: {error}" for error in self.errors[-3:]]
        return "\n".join(seen)

    # -- Bokeh --------------------------------------------------------------------------------------------

    async def bokeh(self, js: str):
        """The value of a JavaScript expression in which ``doc`` is the page's first Bokeh document."""
        async with self._asking(f"The page could not evaluate: {js}"):
            return await self.page.evaluate(f"(() => {{ const doc = Bokeh.documents[0]; return ({js}) }})()")

    async def documents(self) -> int:
        """How many Bokeh documents the page holds. In Bokeh 3.9 every reconnect adds one that stays empty."""
        return await self.page.evaluate("window.Bokeh ? Bokeh.documents.length : 0")

    async def value(self, name: str, attr: str = "value"):
        """``attr`` of the model with that name, title or label, as the page holds it."""
        await self._known(name)
        return await self.bokeh(f"({FIND})({json.dumps(name)})[{json.dumps(attr)}]")

    async def shown(self, name: str):
        """What the model with that name, title or label shows: its value, its text, or whether it is active."""
        await self._known(name)
        return await self.bokeh(f"(m => m.value ?? m.text ?? m.active)(({FIND})({json.dumps(name)}))")

    async def element(self, name: str, css: str):
        """The Playwright handle of the element ``css`` inside the widget with that name, title or label."""
        await self._known(name)
        view = f"Bokeh.index.find_one_by_id(({FIND})({json.dumps(name)}).id)"
        js = f"{view}?.shadow_el.querySelector({json.dumps(css)})"
        async with self._asking(f"The widget {name!r} has no element {css!r} on the page."):
            return (await self.page.wait_for_function(js, timeout=5000)).as_element()

    async def _known(self, name: str) -> None:
        if not await self.bokeh(f"Boolean(({FIND})({json.dumps(name)}))"):
            names = ", ".join(sorted(await self.bokeh(NAMES)))
            raise VisitFailed(f"The page has no widget {name!r}.", advice=f"its widgets are: {names}.")

    async def slide(self, name: str, steps: int) -> None:
        """Move a slider by so many steps, to the left when negative, with the arrow keys."""
        handle = await self.element(name, ".noUi-handle")
        for _ in range(abs(steps)):
            await handle.press("ArrowRight" if steps > 0 else "ArrowLeft")

    async def click(self, label: str) -> None:
        """Click the button with that label."""
        async with self._asking(f"The button {label!r} could not be clicked."):
            await (await self.element(label, "button")).click(timeout=5000)

    async def fill(self, name: str, text: str) -> None:
        """Type into the text field with that name, then leave it, so that the value is sent."""
        async with self._asking(f"Nothing could be typed into {name!r}."):
            field = await self.element(name, "input, textarea")
            await field.fill(text, timeout=5000)
            await field.press("Tab")

    async def click_toast(self) -> None:
        """Click where a notification asks for a click: the words "Click here" of Panel's, else its text."""
        async with self._asking("There is no notification to click."):
            toast = self.page.locator(".notyf__toast").last
            link = toast.locator(".reconnect")
            await toast.wait_for(timeout=5000)
            target = link if await link.count() else toast.locator(".notyf__message")
            await target.click(timeout=5000)

    # -- page ---------------------------------------------------------------------------------------------

    async def offline(self, offline: bool) -> None:
        """Tell the browser that it has no network, as its developer tools do.

        New connections fail at once. A websocket that is open stays open; what the page sends waits until the
        network is back. To lose it as well, cut the wire with an `Outage`.
        """
        await self.page.context.set_offline(offline)

    async def screenshot(self, path: str | Path | None = None, max_kb: float = 100, alt: str = "") -> Screenshot:
        """A picture of the window, at most ``max_kb`` large; written to ``path`` too if there is one."""
        shot = shrink(
            await self.page.screenshot(animations="disabled"), alt or f"The page “{await self.page.title()}”", max_kb
        )
        if path is not None:
            shot.save(path)
        return shot

    async def fast_forward(self, seconds: float) -> None:
        """Walk the page's clock forward; for a tab that was opened with ``clock=True``.

        It changes what the page is told by ``Date``, ``performance``, ``setTimeout``, ``setInterval`` and
        ``requestAnimationFrame``, and so the times in ``sockets`` and ``toasts``. It does not change the server, the
        network, CSS animations, nor `time.monotonic`. The walk stops every tenth of a second until attempts to open
        a websocket have been answered or refused, for at most a second each.
        """
        if not self._clock:
            raise InvalidOption("This tab's clock is the real one.", advice="open it with clock=True.")
        look = "[performance.now(), window.sessionlab.pending]"
        now, pending = await self.page.evaluate(look)
        deadline = now + seconds * 1000
        while now < deadline:
            await self.page.clock.run_for(max(1, round(min(STEP * 1000, deadline - now))))
            now, pending = await self.page.evaluate(look)
            patience = time.monotonic() + 1
            while pending and time.monotonic() < patience:
                await asyncio.sleep(0.002)
                now, pending = await self.page.evaluate(look)

    async def close(self) -> None:
        await self.page.context.close()

    async def __aenter__(self) -> Tab:
        return self

    async def __aexit__(self, *exc) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Tab {self.page.url}>"
