"""Leak limits and live servers for the tests of any Panel or Bokeh project.

Install with ``pip install "sessionlab[lab]"``; pytest finds it by itself. In a test module beside ``app.py``:

    import pytest

    @pytest.mark.limit_session_leaks("app.py", bytes="2 KB", objects=0)
    def test_sessions_leave_nothing():
        pass

    @pytest.mark.asyncio
    async def test_the_button(app_server, visitor, outage):
        server = app_server("app.py", lifetime=2)
        session = await visitor(outage(server).url)
        await session.click("Add one")
        await session.wait_for("Count", value=1)

The mark hunts before the test's body runs and fails the test when a session leaves more than the limits; ``objects=0``
lets nothing pass that holds on to sessions, ``bytes`` alone lets pass what is small, ``ignore=r"mycache\\._entries"``
what is known. ``command="uvicorn api:app --port {port}"`` starts what is no script. A mark that cannot be read stops
the run before any test.

This module is loaded in every run of pytest where the package is installed: it imports nothing of the lab, and none
of the lab's dependencies, before a test asks for it.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

MARK = "limit_session_leaks"


@dataclass(frozen=True)
class Limits:
    """The arguments of the mark.

    ``app`` : what is hunted, relative to the test's folder or to the root of the project; or ``module:function``. It
    may be left out where a ``command`` says what is started.
    ``bytes`` : how much each session may leave in all, as a number or as text such as ``"2 KB"``.
    ``objects`` : how many objects or items each session may leave with one holder. Without either limit nothing
    may stay; what is under the hunt's floor cannot be seen.
    ``ignore`` : a regular expression, or several: holders whose name it is found in are let pass. Or a function of a
    `sessionlab.leaks.result.Culprit` (``holder``, ``owner``, ``location``, ``report_to``, …) that says whether it is.
    ``baseline`` : a file of leaks that are known, written by ``sessionlab hunt --write-baseline``; beside the test.
    ``sessions``, ``max_seconds``, ``scenario``, ``interact``, ``framework``, ``command``, ``panel_args``, ``env``,
    ``live`` : as for `sessionlab.hunt`. A ``command`` is run in the folder in which pytest was started.
    """

    app: str
    bytes: float | None = None
    objects: float | None = None
    ignore: tuple = ()
    options: dict | None = None

    @classmethod
    def of(cls, mark) -> Limits:
        """Read the mark; raises pytest.UsageError, saying what is wrong with it."""
        known = {"bytes", "objects", "ignore"}
        options = {"sessions", "max_seconds", "scenario", "interact", "panel_args", "env", "framework"}
        options |= {"command", "baseline", "live"}
        unknown = set(mark.kwargs) - known - options
        alone = not mark.args and mark.kwargs.get("command")
        if unknown or not (len(mark.args) == 1 or alone):
            raise pytest.UsageError(
                f"{MARK} takes one application and the options {', '.join(sorted(known | options))}; "
                f"got {', '.join([*map(repr, mark.args), *sorted(unknown)]) or 'nothing'}"
            )
        objects = mark.kwargs.get("objects")
        if objects is not None and not (isinstance(objects, int | float) and objects >= 0):
            raise pytest.UsageError(f"{MARK}: objects={objects!r} is no number of objects a session")
        ignore = mark.kwargs.get("ignore") or ()
        ignore = (ignore,) if isinstance(ignore, str) or callable(ignore) else tuple(ignore)
        for pattern in ignore:
            try:
                callable(pattern) or re.compile(pattern)
            except (re.error, TypeError) as error:
                raise pytest.UsageError(f"{MARK}: ignore={pattern!r} is no regular expression: {error}") from None
        return cls(
            str(mark.args[0]) if mark.args else "",
            None if mark.kwargs.get("bytes") is None else parse_size(mark.kwargs["bytes"]),
            None if objects is None else float(objects),
            ignore,
            {name: value for name, value in mark.kwargs.items() if name in options},
        )

    @property
    def name(self) -> str:
        """What is hunted, as the test's author wrote it."""
        command = (self.options or {}).get("command", "")
        return self.app or (command if isinstance(command, str) else " ".join(map(str, command)))

    def breaches(self, result) -> list:
        """The culprits of a `HuntResult` that the limits do not let pass."""
        return [*self._left(result), *self._wanted(result.growing)]

    def _wanted(self, culprits) -> list:
        return [culprit for culprit in culprits if not any(_fits(each, culprit) for each in self.ignore)]

    def _left(self, result) -> list:
        """Those that hold what sessions left."""
        if result.verdict in ("clean", "bounded"):
            return []
        left = self._wanted(result.new)
        if result.verdict == "never-expires" or (self.bytes is None and self.objects is None):
            return left
        many = [c for c in left if self.objects is not None and c.grows_by > self.objects]
        large = self.bytes is not None and result.per_session["bytes"] > self.bytes
        return left if large else many


def _fits(ignore, culprit) -> bool:
    return bool(ignore(culprit) if callable(ignore) else re.search(ignore, culprit.holder))


def parse_size(size) -> int:
    """``"2 KB"``, ``"1.5 MiB"`` or a number as bytes; raises pytest.UsageError."""
    from sessionlab.errors import InvalidOption
    from sessionlab.sizes import read_size

    try:
        return read_size(size, least=0)
    except InvalidOption as error:
        raise pytest.UsageError(f"{MARK}: {' '.join(str(error).split())}") from None


def pytest_configure(config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(app, bytes=None, objects=None, ignore=None, **options): fail when a session of the Panel or Bokeh app "
        'leaves more than this behind; bytes may be text such as "2 KB".',
    )


def pytest_collection_modifyitems(items) -> None:
    """Say what is wrong with a mark before anything runs."""
    for item in items:
        if (mark := item.get_closest_marker(MARK)) is not None:
            try:
                Limits.of(mark)
            except pytest.UsageError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    mark = item.get_closest_marker(MARK)
    if mark is not None:
        check(item, Limits.of(mark))
    return (yield)


def check(item, limits: Limits) -> None:
    """Hunt, and fail the test ``item`` with the chains of what the limits do not let pass."""
    lab = _lab()
    from sessionlab.errors import SessionLabError

    app = _found(item, limits.app) if limits.app else ()
    try:
        options = dict(limits.options or {})
        if "baseline" in options:
            options["baseline"] = _found(item, str(options["baseline"]))
        result = lab.hunt(app, **options)
    except SessionLabError as error:
        pytest.fail(f"{limits.name} could not be hunted.\n{error}", pytrace=False)
    item.add_report_section("call", "session leaks", str(result))
    breaches = limits.breaches(result)
    if breaches or (result.verdict == "undecided" and not result.culprits):
        pytest.fail(explain(limits, result, breaches), pytrace=False)


def explain(limits: Limits, result, breaches: list) -> str:
    """The failure as pytest shows it."""
    from sessionlab import report
    from sessionlab.sizes import show_size

    allowed = [] if limits.bytes is None else [show_size(limits.bytes)]
    allowed += [] if limits.objects is None else [f"{limits.objects:g} objects"]
    lines = [
        f"{limits.name}: {report.HEADLINE[result.verdict]}",
        f"each of {result.sessions} sessions left {report.numbers(result)}; allowed: {', '.join(allowed) or 'nothing'}",
    ]
    lines += [stays] if (stays := report.live(result)) else []
    for culprit in breaches:
        lines.append("")
        lines += [f"E   {'  ' * depth}{'└ ' if depth else ''}{step}" for depth, step in enumerate(culprit.chain)]
        lines.append(f"    {report.growth(culprit, each='' if culprit in result.growing else ' a session')}")
        lines += [f"    put there at {culprit.location}"] if culprit.location else []
        lines += [f"    what to do: {culprit.advice}"] if culprit.advice else []
    return "\n".join(lines)


def _found(item, app: str) -> str:
    """The application beside the test, or below the root of the project, or as it was given."""
    for folder in (Path(item.path).parent, Path(item.config.rootpath)):
        if (folder / app).exists():
            return str(folder / app)
    return app


def _lab():
    """The package, if what its instruments need is installed; else the test is an error that says what to do."""
    try:
        importlib.import_module("sessionlab.leaks.hunter")
    except ImportError as error:
        raise pytest.UsageError(f"{error}; the instruments need: pip install 'sessionlab[lab]'") from error
    import sessionlab

    return sessionlab


@pytest.fixture
def app_server(request):
    """A real server: ``server = app_server("app.py", lifetime=2, …)``, until the test ends.

    The application is looked for beside the test, then below the project's root; with ``command=`` it may be left out.
    The options are those of `sessionlab.serve`, in seconds; ``server.url`` is the page, ``server.log`` what it printed.
    """
    lab = _lab()
    servers = []

    def start(app="", **options):
        server = lab.serve(_found(request.node, str(app)) if app else (), **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def visitor():
    """A session without a browser: the page, the websocket, the document, and edits both ways.

        session = await visitor(server.url)
        await session.set("Speed", value=3)
        await session.wait_for("Result", object="9")

    ``visitor(url, headers=…, cookies=…, timeout=30)`` is awaited, or used as ``async with visitor(url) as session``;
    see `sessionlab.visit`. In a test that is not async: ``asyncio.run(work(visitor))``. A session that the test does
    not close is cut when the test ends; the server keeps it for its lifetime, as that of any visitor.
    """
    lab = _lab()
    sessions = []

    def start(url, **options):
        sessions.append(lab.visit(url, **options))
        return sessions[-1]

    yield start
    still_open = [session for session in sessions if hasattr(session, "page") and not session.closed]
    if still_open:
        import asyncio  # not in every run of pytest

        loop = asyncio.new_event_loop()
        for session in still_open:
            loop.run_until_complete(session.drop())
        loop.close()


@pytest.fixture
def outage():
    """A wire in front of a server that can be cut, refused, stalled and slowed: ``wire = outage(server)``.

    Visit ``wire.url`` instead of ``server.url``, then ``wire.cut()``; see `sessionlab.Outage`. Gone with the test.
    """
    lab = _lab()
    wires = []

    def open_wire(server):
        wire = lab.Outage(server)
        wires.append(wire)
        return wire

    yield open_wire
    for wire in wires:
        wire.close()
