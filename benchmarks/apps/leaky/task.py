# holder: event loop: task poll_forever
# objects: 1
"""A task of every session that never ends."""

import asyncio

import _kept
import panel as pn


def start():
    asyncio.get_running_loop().create_task(_kept.poll_forever())


start()
pn.Column("A task").servable()
