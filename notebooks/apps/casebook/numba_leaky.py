"""A function that is compiled for every session. Machine code is never freed."""

import numba
import panel as pn

pn.extension()


@numba.njit
def total(n):
    return n * (n + 1) // 2


pn.Column(pn.pane.Str(str(total(1000)))).servable()
