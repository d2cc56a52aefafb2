"""Exceptions of an application, found in the log of its server."""

from __future__ import annotations

import pytest

from sessionlab.raised import Raised, in_hooks, uncaught

HERE = __file__


def traceback(*frames: tuple[str, int], error: str) -> list[str]:
    lines = ["Traceback (most recent call last):"]
    for file, line in frames:
        lines += [f'  File "{file}", line {line}, in work', "    x = 1 / 0", "        ~~^~~"]
    return [*lines, error]


LIBRARY = "/usr/lib/python3/dist-packages/param/parameterized.py"
WORK = traceback((LIBRARY, 10), (HERE, 7), (LIBRARY, 11), error="ZeroDivisionError: division by zero")
SAID = "tests/test_hunt_raised.py:7"


@pytest.mark.parametrize(
    "head",
    [
        ["ERROR:tornado.application:Exception in callback functools.partial(<bound method …>)"],
        ["Exception in thread Thread-3 (work):"],
        ["Task exception was never retrieved", "future: <Task finished name='Task-3'>"],
        ["error handling message", " message: Message 'PATCH-DOC' content: {…}", " error: ZeroDivisionError()"],
    ],
)
def test_each_way_to_announce_an_exception_is_known(head):
    (found,) = uncaught(["a line before", *head, *WORK, "a line after"])
    assert (found.error, found.count) == ("ZeroDivisionError: division by zero", 1)
    assert found.location.endswith("test_hunt_raised.py:7")


def test_the_same_exception_is_told_once_and_counted():
    one = ["Exception in callback work", *WORK]
    other = ["Exception in callback work", *traceback((HERE, 9), error="KeyError: 'name'")]
    found = uncaught([*one, *other, *one, *one])
    assert [(each.error, each.count) for each in found] == [
        ("ZeroDivisionError: division by zero", 3),
        ("KeyError: 'name'", 1),
    ]


def test_of_a_chain_the_last_is_told_and_any_name_will_do():
    chain = [
        *traceback((HERE, 5), error="KeyError: 'name'"),
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        *traceback((HERE, 6), error="app.NoSuchThing: name"),
    ]
    lines = [line for line in chain if line]  # a log keeps no empty lines
    (found,) = uncaught(["Exception in callback work", *lines, *["more"] * 5])
    assert found.error == "app.NoSuchThing: name" and found.location.endswith(":6")


def test_what_was_caught_is_none_and_a_library_alone_has_no_line():
    assert uncaught(["told by the app itself:", *WORK]) == ()
    assert uncaught(["Exception in callback work", "and nothing after it"]) == ()
    (found,) = uncaught(["Exception in callback work", *traceback((LIBRARY, 3), error="ValueError")])
    assert (found.error, found.location) == ("ValueError", "")
    assert str(found) == "raised once: ValueError"


def test_the_lines_of_an_installed_application_are_known():
    installed = "/usr/lib/python3/site-packages/mydash/view.py"
    lines = ["Exception in callback work", *traceback((installed, 12), (LIBRARY, 3), error="ValueError: no")]
    assert uncaught(lines, apps=["mydash.view:page"]) == (
        Raised("ValueError: no", "mydash/view.py:12", 1, ("mydash/view.py:12",)),
    )
    assert uncaught(lines, apps=["other:page"])[0].location == ""


def test_what_a_periodic_callback_raises_and_what_panel_prints_of_a_page_are_found():
    periodic = ["2026 Error thrown from periodic callback:", *traceback(("/srv/app.py", 3), error="ValueError: tick")]
    by_panel = traceback(("/x/site-packages/panel/io/handlers.py", 1), ("/srv/app.py", 5), error="ValueError: page")
    by_panel[1] = by_panel[1].replace("in work", "in run_app")
    caught = traceback(("/srv/app.py", 9), error="ValueError: caught and logged by the application")
    found = {raised.error: raised.location for raised in uncaught([*periodic, *caught, *by_panel])}
    assert found == {"ValueError: tick": "app.py:3", "ValueError: page": "app.py:5"}


def test_the_way_through_the_application_is_told():
    lines = [
        "Exception in callback work",
        *traceback(("/srv/app.py", 3), (LIBRARY, 1), ("/srv/data.py", 7), error="E: x"),
    ]
    (raised,) = uncaught(lines)
    assert str(raised) == "raised once at data.py:7, called at app.py:3: E: x"


def test_what_hooks_raise_is_counted():
    events = [{"callback": "gone (app.py:3)", "error": "ValueError: x"}] * 3 + [
        {"callback": "<built-in>", "error": "E"}
    ]
    assert in_hooks(events) == (Raised("ValueError: x", "app.py:3", 3), Raised("E", "", 1))
