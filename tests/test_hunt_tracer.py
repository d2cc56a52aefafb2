"""Which line it was, also in an application with long loops."""

from __future__ import annotations

import textwrap

import pytest

from sessionlab.agent import tracer


@pytest.fixture
def lines_of(tmp_path, monkeypatch):
    """The lines of a script that lengthen its list KEPT, by how often, and how often they were looked at."""
    monkeypatch.setattr(tracer, "is_app_file", lambda file: str(file).startswith(str(tmp_path)))

    def run(source: str):
        kept, looks = [], []

        def length():
            looks.append(1)
            return len(kept)

        code = compile(textwrap.dedent(source).lstrip(), str(tmp_path / "app.py"), "exec")
        follow = tracer.Tracer({"KEPT": (length, lambda: 0, tuple)}, dict, str)
        follow.start()
        try:
            exec(code, {"KEPT": kept})
        finally:
            found = follow.stop()
        return [line.rpartition(":")[2] for line in found["KEPT"]], len(looks)

    return run


def test_the_line_after_a_long_loop_is_its_own(lines_of):
    lines, looks = lines_of("""
        KEPT.append(0)
        rows = [float(number) for number in range(5_000)]
        for number in range(5_000):
            number + 1
        KEPT.append(1)
    """)
    assert lines == ["1", "5"]
    assert looks < 3_000


def test_a_line_in_a_long_loop_is_found_when_the_loop_is_left(lines_of):
    lines, _ = lines_of("""
        for number in range(5_000):
            if number == 4_000: KEPT.append(number)
        total = 0
    """)
    assert lines in (["1"], ["2"])


def test_a_function_that_is_called_very_often_is_followed_no_more(lines_of):
    lines, looks = lines_of("""
        def square(number):
            return number * number
        for number in range(5_000):
            square(number)
        KEPT.append(1)
        print(end="")
    """)
    assert lines == ["5"]
    assert looks < 3_000
