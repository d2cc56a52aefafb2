"""Syntax trees, also where several threads parse at a time."""

from __future__ import annotations

import ast

AT_MOST = 100  # attempts


def parse(text: str | bytes) -> ast.Module:
    """`ast.parse`, again where CPython had counted two threads as one.

    All threads of an interpreter share the depth that is counted while a tree is built (gh-106905), and a collection of
    garbage within that lets another thread in: "AST constructor recursion depth mismatch". The source is not to blame.

    Raises
    ------
    SyntaxError, ValueError, RecursionError
        As `ast.parse`.
    SystemError
        The trees of other threads came in the way 100 times.
    """
    for _ in range(AT_MOST - 1):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)
