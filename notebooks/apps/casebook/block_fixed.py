"""Waits for a job under a block of its own session only."""

import asyncio

import panel as pn
from shared import JOBS

from sessionlab.harden import block_expiration

pn.extension()

start, finish, state = (pn.widgets.TextInput(name=name) for name in ("Start job", "Finish job", "State"))


async def work(event):
    JOBS[event.new] = asyncio.Event()
    with block_expiration(linger=0):
        state.value = "working"
        await JOBS[event.new].wait()
    state.value = "done"


start.param.watch(work, "value")
finish.param.watch(lambda event: JOBS[event.new].set(), "value")

pn.Column(start, finish, state).servable()
