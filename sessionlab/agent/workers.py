"""Which processes serve together, and where each of them can be asked. Runs in the served process."""

from __future__ import annotations

import mmap
import os
import struct


class Workers:
    """Process ids and agent ports of the workers of ``--num-procs``, in memory that they share.

    Made before the server forks; empty when it does not.
    """

    _ROW = struct.Struct("=II")
    _MOST = 512

    def __init__(self):
        self._shared = mmap.mmap(-1, self._ROW.size * self._MOST)

    def enter(self, number: int, port: int) -> None:
        """Note the port of this process, which is worker ``number``."""
        if number < self._MOST:
            self._ROW.pack_into(self._shared, number * self._ROW.size, os.getpid(), port)

    def answer(self) -> dict:
        ports = {pid: port for pid, port in self._ROW.iter_unpack(self._shared[:]) if pid}
        return {"pid": os.getpid(), "workers": sorted(ports) or [os.getpid()], "ports": ports}
