"""Waits for a job under `pn.state.block_expiration()`, as the guide has it."""

import asyncio

import panel as pn
from shared import JOBS

pn.extension()

start, finish, state = (pn.widgets.TextInput(name=name) for name in ("Start job", "Finish job", "State"))


async def work(event):
    JOBS[event.new] = asyncio.Event()
    with pn.state.block_expiration():
        state.value = "working"
        await JOBS[event.new].wait()
    state.value = "done"


start.param.watch(work, "value")
finish.param.watch(lambda event: JOBS[event.new].set(), "value")

pn.Column(start, finish, state).servable()
