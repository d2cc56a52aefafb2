"""Leak limits and live servers for the tests of any Panel or Bokeh project.

    @pytest.mark.limit_session_leaks("app.py", bytes="2 KB", objects=0)
    def test_sessions_leave_nothing():
        pass

    async def test_the_button(app_server, visitor):
        server = app_server("app.py", lifetime=2)
        session = await visitor(server.url)

The mark hunts before the test's body runs and fails the test when a session leaves more than the limits. This
module is loaded in every run of pytest where the package is installed: it imports nothing of the lab, and none
of the lab's dependencies, before a test asks for it.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

MARK = "limit_session_leaks"
UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "kib": 1024, "mib": 1 << 20}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """The arguments of the mark.

    ``app`` : what is hunted, relative to the test's folder or to the root of the project; or ``module:function``.
    ``bytes`` : how much each session may leave in all, as a number or as text such as ``"2 KB"``.
    ``objects`` : how many objects or items each session may leave with one holder. Without either limit nothing
    may stay; what is under the hunt's floor cannot be seen.
    ``ignore`` : a regular expression, or several: holders whose name it is found in are let pass.
    ``sessions``, ``max_seconds``, ``scenario``, ``interact``, ``panel_args``, ``env`` : as for `sessionlab.hunt`.
    """

    app: str
    bytes: float | None = None
    objects: float | None = None
    ignore: tuple[str, ...] = ()
    options: dict | None = None

    @classmethod
    def of(cls, mark) -> Limits:
        """Read the mark; raises pytest.UsageError, saying what is wrong with it."""
        known = {"bytes", "objects", "ignore"}
        options = {"sessions", "max_seconds", "scenario", "interact", "panel_args", "env", "framework"}
        unknown = set(mark.kwargs) - known - options
        if len(mark.args) != 1 or unknown:
            raise pytest.UsageError(
                f"{MARK} takes one application and the options {', '.join(sorted(known | options))}; "
                f"got {mark.args} {sorted(unknown) or ''}"
            )
        ignore = mark.kwargs.get("ignore") or ()
        return cls(
            str(mark.args[0]),
            None if mark.kwargs.get("bytes") is None else parse_size(mark.kwargs["bytes"]),
            None if mark.kwargs.get("objects") is None else float(mark.kwargs["objects"]),
            (ignore,) if isinstance(ignore, str) else tuple(ignore),
            {name: value for name, value in mark.kwargs.items() if name in options},
        )

    def breaches(self, result) -> list:
        """The culprits of a `HuntResult` that the limits do not let pass."""
        if result.verdict in ("clean", "bounded"):
            return []
        left = [c for c in result.culprits if not any(re.search(p, c.holder) for p in self.ignore)]
        if result.verdict == "never-expires" or (self.bytes is None and self.objects is None):
            return left
        many = [c for c in left if self.objects is not None and c.grows_by > self.objects]
        large = self.bytes is not None and result.per_session["bytes"] > self.bytes
        return left if large else many


def parse_size(size) -> float:
    """``"2 KB"``, ``"1.5 MiB"`` or a number as bytes; raises pytest.UsageError."""
    if isinstance(size, int | float) and size >= 0:
        return float(size)
    found = SIZE.fullmatch(str(size).strip())
    if not found or found[2].lower() not in UNITS:
        raise pytest.UsageError(f'{MARK}: {size!r} is no size; write a number of bytes, "2 KB" or "1.5 MiB"')
    return float(found[1]) * UNITS[found[2].lower()]


def pytest_configure(config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(app, bytes=None, objects=None, ignore=None, **options): fail when a session of the Panel or Bokeh app "
        'leaves more than this behind; bytes may be text such as "2 KB".',
    )


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

    app = _found(item, limits.app)
    try:
        result = lab.hunt(app, **limits.options)
    except SessionLabError as error:
        pytest.fail(f"{limits.app} could not be hunted.\n{error}", pytrace=False)
    item.add_report_section("call", "session leaks", str(result))
    breaches = limits.breaches(result)
    if breaches or (result.verdict == "undecided" and not result.culprits):
        pytest.fail(explain(limits, result, breaches), pytrace=False)


def explain(limits: Limits, result, breaches: list) -> str:
    """The failure as pytest shows it."""
    from sessionlab import report

    allowed = [] if limits.bytes is None else [report.size(limits.bytes)]
    allowed += [] if limits.objects is None else [f"{limits.objects:g} objects"]
    lines = [
        f"{limits.app}: {report.HEADLINE[result.verdict]}",
        f"each of {result.sessions} sessions left {report.numbers(result)}; allowed: {', '.join(allowed) or 'nothing'}",
    ]
    for culprit in breaches:
        lines.append("")
        lines += [f"E   {'  ' * depth}{'└ ' if depth else ''}{step}" for depth, step in enumerate(culprit.chain)]
        lines.append(f"    grows by {culprit.grows_by:.3g} a session, {report.size(culprit.bytes)}")
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
        importlib.import_module("sessionlab.hunt.phases")
    except ImportError as error:
        raise pytest.UsageError(f"{error}; the instruments need: pip install 'sessionlab[lab]'") from error
    import sessionlab

    return sessionlab


@pytest.fixture
def app_server(request):
    """``app_server("app.py", lifetime=2, …)`` serves an application until the test ends; see `sessionlab.serve`."""
    lab = _lab()
    servers = []

    def start(app, **options):
        server = lab.serve(_found(request.node, str(app)), **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def visitor():
    """``await visitor(url)`` is a session without a browser; see `sessionlab.visit`. Ends with the test.

    In a test that is not async, ``visitor`` gives what ``async with visitor(url)`` needs.
    """
    lab = _lab()
    return lab.visit


@pytest.fixture
def outage():
    """``outage(server)`` is a wire that can be cut, refused, stalled and slowed; see `sessionlab.Outage`."""
    lab = _lab()
    wires = []

    def open_wire(server, **options):
        wire = lab.Outage(server, **options)
        wires.append(wire)
        return wire

    yield open_wire
    for wire in wires:
        wire.close()
