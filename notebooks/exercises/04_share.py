# panel serve 04_share.py
"""A cake is shared among guests, which takes 40 s to work out. Nobody has marked what is wrong with it.

Whoever began it and went away finds the share for five minutes after its end; and if it could not be worked out, the
reason. Who has begun nothing is not kept, and an hour later nobody is.
"""

import asyncio

import panel as pn

pn.extension(reconnect=True)

guests = pn.widgets.IntInput(name="Guests", value=2)
share = pn.widgets.TextInput(name="Share", value="none yet", disabled=True)


async def run(event):
    session = pn.state.curdoc.session_context.session
    session.block_expiration()
    await asyncio.sleep(40)
    share.value = f"{1000 / guests.value:g} g"
    session.unblock_expiration()


pn.Column(guests, pn.widgets.Button(name="Run", on_click=run), share).servable()
