"""A task that never ends, of a function in a module. (In the script itself it would die by a NameError.)"""

import asyncio

import panel as pn
from shared import refresh

pn.extension()

asyncio.get_running_loop().create_task(refresh())

pn.Column("Refreshed").servable()
