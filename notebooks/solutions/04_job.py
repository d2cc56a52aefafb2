# panel serve 04_job.py
"""A calculation of 40 s. Its user starts it, closes the lid of the laptop, and opens it 20 s after the end."""

import asyncio

import panel as pn

# >>> solution
from sessionlab.harden import block_expiration

# >>> stub
# <<<
pn.extension(reconnect=True)

number = pn.widgets.IntInput(name="Number", value=2)
result = pn.widgets.IntInput(name="Result", value=0, disabled=True)


async def run(event):
    # >>> solution
    with block_expiration(linger=300):  # this session, during the work and five minutes longer
        await asyncio.sleep(40)
        result.value = number.value**2
    # >>> stub
    # await asyncio.sleep(40)  # your turn: keep this session, and no other, until its user has seen the result
    # result.value = number.value**2
    # <<<


pn.Column(number, pn.widgets.Button(name="Run", on_click=run), result).servable()
