# holder: outside Python
# bytes: 8192
"""Memory of the C library that nobody frees; Python does not know of it."""

import ctypes

import panel as pn

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.malloc(8176)
pn.Column("Native memory").servable()
