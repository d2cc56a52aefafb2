"""The reader's file while it is graded: started as a server, visited, disturbed."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import html
import os
import re
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode

from sessionlab.client import Session, visit
from sessionlab.client.document import TAGS
from sessionlab.course.exercises.verdict import NotYet
from sessionlab.errors import InvalidOption, VisitFailed
from sessionlab.server import Server, serve
from sessionlab.syntax import parse

COMMAND = re.compile(r"^#\s*panel serve\s+\S+(.*)$", re.MULTILINE)
# the check chooses these, or could not look into what they start
NOT_YOURS = ("--port", "--address", "--num-procs", "--dev", "--autoreload", "--show", "--glob", "--prefix")


def patience() -> float:
    """How much longer than usual everything may take: SESSIONLAB_PATIENCE, else up to 3 times on a busy machine."""
    if given := os.environ.get("SESSIONLAB_PATIENCE"):
        try:
            return float(given)
        except ValueError:
            raise InvalidOption(f"SESSIONLAB_PATIENCE={given} is no number.", advice="give one, such as 3.") from None
    busy = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 1.0
    return min(3.0, max(1.0, busy))


PATIENCE = patience()
START, SOON = 12 * PATIENCE, 4 * PATIENCE  # seconds: until an app answers; until what must happen has happened
MOMENT = SOON / 4  # seconds: the same, where the log says already that it will not


class Attempt:
    """A file that is graded.

    Attributes
    ----------
    path : of the file.
    right : what was found right so far.
    say : call it with what is being done, for whoever waits.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None):
        self.path, self.say = Path(path), say
        self.right: list[str] = []

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace")

    @property
    def flags(self) -> list[str]:
        """What stands behind the file's name in its line ``# panel serve FILE …``."""
        found = COMMAND.search(self.source)
        try:
            flags = shlex.split(found[1]) if found else []
        except ValueError as error:
            raise NotYet("The line `# panel serve …` cannot be read.", str(error)) from None
        for flag in flags:
            if flag.split("=")[0] in NOT_YOURS:
                raise NotYet(
                    f"The check itself chooses {flag.split('=')[0]}.", "it stands in the line `# panel serve …`"
                )
        return flags

    def require(self, holds: object, right: str, wrong: str, observed: str = "") -> None:
        """Note ``right`` if ``holds`` is true, else end the check with ``wrong``."""
        if not holds:
            raise NotYet(wrong, observed)
        self.right.append(right)

    @contextlib.asynccontextmanager
    async def serve(
        self, env: dict[str, str] | None = None, apps: Sequence[Path] | None = None
    ) -> AsyncIterator[Served]:
        """The file as a running `panel serve`, with the file's own flags and the environment variables ``env``.

        ``apps`` are served in its place where the file is no app.
        """
        with_flags = functools.partial(serve, apps or self.path, panel_args=self.flags, ready_timeout=START, env=env)
        async with self._running(with_flags) as served:
            yield served

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[Served]:
        """The file as a program of its own that calls ``pn.serve``."""
        start = functools.partial(serve, self.path, framework="program", ready_timeout=START)
        async with self._running(start) as served:
            yield served

    @contextlib.asynccontextmanager
    async def _running(self, start: Callable[[], Server]) -> AsyncIterator[Served]:
        self.say("starting your app")
        server = await asyncio.to_thread(start)
        try:
            served = Served(server)
            await asyncio.to_thread(server.probe.extend, "clock")
            yield served
        finally:
            await asyncio.to_thread(server.stop)


class Served:
    """A reader's app that runs. ``server`` is the `sessionlab.server.Server`."""

    def __init__(self, server: Server):
        self.server = server

    async def ask(self, question: Callable, *args, **kwargs):
        """Call a method of ``server.probe`` without holding up the visitors."""
        return await asyncio.to_thread(question, *args, **kwargs)

    def visit(self, **query) -> Session:
        """A visitor without a browser, with ``query`` behind the address: ``async with app.visit() as session``."""
        url = self.server.url + (f"?{urlencode(query)}" if query else "")
        return visit(url, timeout=SOON)

    async def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass for the server: its timers, its sessions' ages, its look for unused ones."""
        await self.ask(self.server.probe.ask, "POST", "pass_time", seconds=seconds, patience=SOON)

    async def sessions(self) -> tuple:
        return await self.ask(self.server.probe.sessions)

    async def is_empty(self) -> bool:
        """Whether the server has no session."""
        return not await self.sessions()

    async def wait_until(self, holds: Callable[[], object]) -> bool:
        """Whether ``holds()``, which may be a coroutine function, becomes true soon."""
        return await soon(holds)

    async def left(self, session: Session, *, drop: bool = True) -> None:
        """Cut a visitor's wire (or close the tab) and wait until the server has noticed."""
        await (session.drop() if drop else session.close())

        async def noticed() -> bool:
            return all(s.id != session.id or not s.connections for s in await self.sessions())

        await soon(noticed)


async def soon(holds: Callable[[], object], seconds: float = SOON) -> bool:
    """Whether ``holds()``, which may be a coroutine function, becomes true within ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = holds()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer or asyncio.get_running_loop().time() > deadline:
            return bool(answer)
        await asyncio.sleep(0.03)


def shown(session: Session) -> str:
    """What the page says in the text panes that are visible, one line each, without tags."""
    texts = (m.attributes.get("text") for m in session.models.values() if m.attributes.get("visible", True))
    plain = (html.unescape(TAGS.sub("", html.unescape(text))).strip() for text in texts if isinstance(text, str))
    return "\n".join(filter(None, plain))


async def see(session: Session, name: str, seconds: float = SOON, **attributes) -> bool:
    """Whether the widget ``name`` takes these values within ``seconds``."""
    try:
        await session.wait_for(name, timeout=seconds, **attributes)
    except VisitFailed:
        return False
    return True


def constant(attempt: Attempt, name: str):
    """The value that the file gives to ``name``, without running it."""
    for node in parse(attempt.source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            with contextlib.suppress(ValueError):
                return ast.literal_eval(node.value)
    raise NotYet(f"The file gives no value to {name}.", f"a line such as {name} = ... is looked for")
