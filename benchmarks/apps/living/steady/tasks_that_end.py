"""Every tick starts a task that ends soon."""

import asyncio

import panel as pn

running = set()
shown = pn.pane.Markdown("")


async def work():
    await asyncio.sleep(0.05)
    shown.object = "done"


async def tick():
    task = asyncio.create_task(work())
    running.add(task)
    task.add_done_callback(running.discard)


pn.state.add_periodic_callback(tick, period=500)
shown.servable()
