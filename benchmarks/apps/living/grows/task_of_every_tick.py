# holder: task watch
# by: time
"""Every tick starts a task that waits for ever."""

import asyncio

import panel as pn

tasks = set()


async def watch():
    await asyncio.Event().wait()


async def tick():
    tasks.add(asyncio.create_task(watch()))


pn.state.add_periodic_callback(tick, period=1000)
pn.pane.Markdown("watching").servable()
