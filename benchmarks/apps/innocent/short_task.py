"""A task of every session that soon ends."""

import asyncio

import _shared
import panel as pn

asyncio.get_running_loop().create_task(_shared.soon_done())
pn.Column("task").servable()
