"""The task is cancelled when its session ends."""

import asyncio

import panel as pn
from shared import refresh

pn.extension()

task = asyncio.get_running_loop().create_task(refresh())
pn.state.on_session_destroyed(lambda context, task=task: task.cancel())

pn.Column("Refreshed").servable()
