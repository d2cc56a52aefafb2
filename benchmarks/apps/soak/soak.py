"""What the soak visits: a counter with all of `harden`, which keeps a book of the sessions it builds and ends."""

import asyncio
import os
import secrets

import panel as pn

from sessionlab.harden import block_expiration, on_session_destroyed, reconnect, recover_inputs

pn.extension()
reconnect()


def write(word, number, path=os.environ["SOAK_BOOK"]):
    with open(path, "a") as book:
        book.write(f"{word} {number}\n")


number = f"{os.getpid()}-{secrets.token_hex(6)}"
write("born", number)
on_session_destroyed(lambda context, number, write: write("hook", number), number, write)

born = pn.widgets.TextInput(label="born", value=number, disabled=True)
note = pn.widgets.TextInput(label="note")
count = pn.widgets.IntInput(label="count", value=0, disabled=True)
done = pn.widgets.IntInput(label="done", value=0, disabled=True)
add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))


async def job(event):
    with block_expiration(linger=float(os.environ["SOAK_LINGER"])):
        await asyncio.sleep(1.5)
        done.value += 1


work = pn.widgets.Button(label="work", on_click=job)
recover_inputs(note)
pn.Column(born, note, pn.Row(add, count), pn.Row(work, done)).servable()
