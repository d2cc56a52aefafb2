"""A dashboard in production: a counter that lives in the session, a note that outlives it, a job that takes a while."""

import asyncio

import panel as pn

from sessionlab.harden import block_expiration, on_session_destroyed, reconnect, recover_inputs

pn.extension(template="fast", notifications=True)
reconnect()
session = pn.state.curdoc.session_context  # None when a probe runs the app
print("built", session.id if session else "for a probe", flush=True)

note = pn.widgets.TextInput(label="note")
count = pn.widgets.IntInput(label="count", value=0, disabled=True)
add = pn.widgets.Button(label="add one", on_click=lambda event: count.param.update(value=count.value + 1))
job = pn.widgets.TextInput(label="job", disabled=True)


async def run(event):
    with block_expiration(linger=1):
        job.value = "working"
        await asyncio.sleep(4)
        job.value = "done"
        print("job done", flush=True)


work = pn.widgets.Button(label="work", on_click=run)
recover_inputs(note)
on_session_destroyed(lambda context: print("hook", context.id, flush=True))
pn.Column(note, pn.Row(add, count), pn.Row(work, job)).servable()
