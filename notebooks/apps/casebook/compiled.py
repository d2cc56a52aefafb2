"""Compiled once, when the server imports it."""

import numba


@numba.njit
def total(n):
    return n * (n + 1) // 2
