"""Put in place by import: one widget class for lists, one for dictionaries, one for tuples."""

import functools

from panel import param as _panel_param
from panel.param import Param

_original = _panel_param.LiteralInputTyped
_made = {}


@functools.wraps(_original)
def LiteralInputTyped(pobj):
    """As before; the class is made for the first parameter of a kind, and is that of all others."""
    kind = type(pobj)
    if kind not in _made:
        _made[kind] = _original(pobj)
    return _made[kind]


for _kind, _widget in list(Param.mapping.items()):
    if _widget is _original:
        Param.mapping[_kind] = LiteralInputTyped
