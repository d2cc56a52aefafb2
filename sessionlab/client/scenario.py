"""What every visitor of a hunt does: open, interact, close.

A scenario file is a Python file with any of these, the rest stays as it is by default:

    pages = ["/app?user=1", "/other"]     # which pages; by default the visitors take turns on all of them
    headers = {"X-Forwarded-User": "ann"} # and cookies = {…}, login = "USER:PASSWORD": for an app that asks who comes
    async def open(url, headers, cookies): return await visit(url, headers=headers, cookies=cookies)
    async def interact(session):
        await session.set("Speed", value=3)
        await session.click("Run")
    async def close(session): await session.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import runpy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urljoin

from sessionlab.client import Session, visit
from sessionlab.client.cookies import Cookies
from sessionlab.client.login import Login
from sessionlab.errors import AppNotFound, ErrorReply, InvalidOption, SessionLabError, VisitFailed

MOST_WIDGETS = 12  # of a page that are used by default
PATIENCE = 15.0  # seconds for every answer of a server that is not slow
# what a figure tells the server when it is looked at closely; sent only where somebody listens
POINTER = {"tap", "doubletap", "press", "mousemove", "mouseenter", "mouseleave"}
SELECTING = ("TapTool", "BoxSelectTool", "LassoSelectTool")
# what a plot of Plotly tells of the pointer, the axes and what was clicked
PLOTLY = ("hover_data", "click_data", "relayout_data")


async def _close(session: Session) -> None:
    await session.close()


@dataclass(frozen=True)
class Scenario:
    """One visitor's way. ``interact`` may be None: then nothing is touched.

    ``pages`` are paths, with a query or without; none stands for all. ``headers``, ``cookies`` and ``login`` say who
    comes; a visitor logs in once at each server. ``patience`` are seconds that an answer may take.

    ``stay`` are seconds that a visitor stays besides what the interaction takes, so that what the application
    does by the clock happens as well; the hunt sets it from the callbacks that it finds.
    """

    open: Callable[..., Awaitable[Session]] | None = None
    interact: Callable[[Session], Awaitable] | None = None
    close: Callable[[Session], Awaitable] = _close
    pages: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: Login | None = None
    patience: float = PATIENCE
    _known: dict[str, tuple] = field(default_factory=dict, init=False, repr=False, compare=False)  # by server

    @classmethod
    def default(cls, interact: bool = True) -> Scenario:
        return cls(interact=use_widgets if interact else None)

    @classmethod
    def load(cls, file: str | os.PathLike, interact: bool = True) -> Scenario:
        """The scenario of a file. Raises AppNotFound or InvalidOption, saying what is wrong with it."""
        if not Path(file).is_file():
            raise AppNotFound(f"There is no scenario file {str(file)!r}.", advice="a scenario is a Python file.")
        try:
            names = runpy.run_path(str(file))
        except Exception as error:
            raise InvalidOption(
                f"The scenario {str(file)!r} could not be read.", why=f"{type(error).__name__}: {error}"
            ) from error
        given: dict[str, Any] = {name: names[name] for name in ("headers", "cookies") if name in names}
        if pages := names.get("pages", names.get("path")):
            given["pages"] = (pages,) if isinstance(pages, str) else tuple(pages)
        if "login" in names:
            given["login"] = Login.read(names["login"])
        for name in ("open", "interact", "close"):
            if name in names and names[name] is not open:
                if not inspect.iscoroutinefunction(names[name]):
                    raise InvalidOption(f"{name} in {str(file)!r} has to be an `async def`.")
                given[name] = names[name]
        return replace(cls.default(interact), **given)

    def urls(self, known: Mapping[str, str]) -> list[str]:
        """The addresses of the pages to visit, out of those that a server has, by route."""
        if not self.pages:
            return [url for route, url in known.items() if not route.endswith("autoload.js")]
        return [urljoin(next(iter(known.values())), page) for page in self.pages]

    @property
    def says_who(self) -> bool:
        """Whether a visitor says who it is."""
        return bool(self.headers or self.cookies or self.login)

    async def who(self, url: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The headers and the cookies of a visitor to ``url``, who logs in if that is asked for."""
        if self.login is None:
            return self.headers, self.cookies
        origin = urljoin(url, "/")
        if origin not in self._known:
            cookies = Cookies(url, self.cookies)
            self._known[origin] = await self.login.enter(url, self.headers, cookies), cookies
        return self._known[origin]

    async def enter(self, url: str) -> Session:
        """Open a session as this visitor."""
        headers, cookies = await self.who(url)
        if self.open is not None:
            return await self.open(url, headers, cookies)
        return await visit(url, headers=headers, cookies=cookies, timeout=self.patience)

    async def visit(self, url: str, stay: float = 0.0) -> None:
        """One whole visit; a failed one raises VisitFailed."""
        session = await self.enter(url)
        try:
            if self.interact is not None:
                with contextlib.suppress(ErrorReply):  # the application raised: its log tells, and the visit goes on
                    await self.interact(session)
            if stay:
                await asyncio.sleep(stay)
            if not session.closed:
                await session.roundtrip()
        finally:
            await self.close(session)


async def use_widgets(session: Session, note: Callable[[str], Awaitable] | None = None) -> None:
    """Click, type, move and select in what the page has, each widget once, and point at its figures.

    What the server refuses is left out. Raises VisitFailed if it does not answer any more. ``note`` is awaited
    with the name of each thing that was used.
    """
    for widget in varied(session.widgets)[:MOST_WIDGETS]:
        if session.closed:
            return
        try:
            used = await session.interact(widget)
        except VisitFailed as failed:
            if "did not answer" in failed.what:  # and will not for the next widget either
                raise
            used = True
        if used and note:
            await note(f"{widget.kind} {widget.name or widget.type!r}")
    for figure in figures(session):
        if session.closed:
            return
        with contextlib.suppress(SessionLabError, TypeError, KeyError):
            if await point_at(session, figure) and note:
                await note("figure")


def figures(session: Session) -> list:
    """The first plots of a page, Bokeh's (which HoloViews draws with) and Plotly's."""
    return [m for m in session.models.values() if m.short_type in ("Figure", "PlotlyPlot")][:4]


def varied(widgets: list) -> list:
    """The widgets in another order: one of each kind first, so that the first twelve show all there is."""
    seen: dict[str, int] = {}
    ranked = []
    for place, widget in enumerate(widgets):
        seen[widget.kind] = rank = seen.get(widget.kind, -1) + 1
        ranked.append((rank, place, widget))
    return [widget for _, _, widget in sorted(ranked, key=lambda row: row[:2])]


def _is_number(edge: object) -> TypeGuard[float]:
    return isinstance(edge, int | float) and not isinstance(edge, bool)


async def point_at(session: Session, figure, back: bool = False) -> bool:
    """Zoom a figure a little, or ``back``, select in it, and send the pointer events that it listens to.

    False if there was nothing to do.
    """
    if figure.short_type == "PlotlyPlot":
        return await _point_at_plotly(session, figure, back)
    done = False
    reach: dict[str, float] = {"x0": 0, "x1": 1, "y0": 0, "y1": 1}
    middle = {}
    for axis in ("x_range", "y_range"):
        scale = session.document.model(figure.attributes.get(axis)) if figure.attributes.get(axis) else None
        if scale is None:
            continue
        low, high = (session.value(scale, name) for name in ("start", "end"))
        if scale.short_type == "Range1d":  # the server leaves out what is as usual
            low, high = 0 if low is None else low, 1 if high is None else high
        if not _is_number(low) or not _is_number(high):
            continue
        middle[axis[0]] = (low + high) / 2
        if scale.short_type == "Range1d" and high > low:
            part = (low - high) / 18 if back else (high - low) / 20
            low, high = low + part, high - part
            await session.set(scale, start=low, end=high)
            done = True
        if scale.short_type == "Range1d":
            reach |= {f"{axis[0]}0": low, f"{axis[0]}1": high}
    listened = set(session.document.decode(figure.attributes.get("subscribed_events") or []))
    place = {"sx": 90 if back else 100, "sy": 100, "x": middle.get("x", 0.5), "y": middle.get("y", 0.5)}
    for name in sorted(POINTER & listened):
        await session.event(name, figure, **place, modifiers={"shift": False, "ctrl": False, "alt": False})
        done = True
    if "rangesupdate" in listened:
        await session.event("rangesupdate", figure, **reach)
        done = True
    if "selectiongeometry" in listened:
        box = {"type": "rect", "sx0": 10, "sx1": 100, "sy0": 10, "sy1": 100, **reach}
        await session.event("selectiongeometry", figure, geometry=box, final=True)
        done = True
    return await _select(session, figure, back) or done


async def _select(session: Session, figure, back: bool) -> bool:
    """Select the first item of what a figure draws, or nothing, where it has a tool to select with."""
    tools = [tool for bar in _behind(session, figure, "toolbar") for tool in _behind(session, bar, "tools")]
    if any(tool.short_type in SELECTING for tool in tools):
        for renderer in _behind(session, figure, "renderers"):
            for source in _behind(session, renderer, "data_source"):
                for selected in _behind(session, source, "selected"):
                    await session.set(selected, indices=[] if back else [0])
                    return True
    return False


def _behind(session: Session, model, name: str) -> list:
    """The models that an attribute refers to: a list of them, or one."""
    references = model.attributes.get(name) or []
    listed = references if isinstance(references, list) else [references]
    return [found for reference in listed if (found := session.document.model(reference)) is not None]


async def _point_at_plotly(session: Session, plot, back: bool) -> bool:
    point = {"curveNumber": 0, "pointNumber": int(back), "pointIndex": int(back), "x": int(back), "y": 1}
    axes = {"xaxis.range[0]": 0, "xaxis.range[1]": 1 + back}
    values = ({"points": [point]}, {"points": [point]}, axes)
    for name, value in zip(PLOTLY, values, strict=True):
        await session.set(plot, **{name: value})
    return True
