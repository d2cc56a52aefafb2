"""One long job, started in several ways. `panel serve jobs.py --args stock` chooses how its session is protected."""

import asyncio
import contextlib
import functools
import sys
import threading
import time

import panel as pn

from sessionlab.harden import block_expiration

pn.extension(reconnect=True)

PROTECTIONS = {
    "none": contextlib.nullcontext,
    "stock": pn.state.block_expiration,
    "hardened": functools.partial(block_expiration, linger=8),
}
protect = PROTECTIONS[sys.argv[1] if len(sys.argv) > 1 else "hardened"]

seconds = pn.widgets.FloatInput(name="Seconds", value=3)
result = pn.widgets.TextInput(name="Result", value="none yet", disabled=True)
finished = asyncio.Event()


@contextlib.contextmanager
def job(block):
    """What every job does around its work: tell the user and the log, and put the result where the user sees it."""
    result.value = "working"
    print("job began", flush=True)
    try:
        with block:
            yield
            result.value = "42"
    except Exception as error:
        print("job ended:", type(error).__name__, flush=True)
        raise
    print("job ended: well", flush=True)


def sync_job(event):
    with job(protect()):
        time.sleep(seconds.value)


async def async_job(event):
    finished.clear()
    with job(protect()), contextlib.suppress(TimeoutError):
        await asyncio.wait_for(finished.wait(), seconds.value)


async def finish(event):
    """End an async job before its time."""
    finished.set()


def thread_job(event):
    block = protect()  # made here, where it is known whose session this is

    def work():
        with job(block):
            time.sleep(seconds.value)

    threading.Thread(target=work).start()


def thread_alone_job(event):
    def work():
        while pn.state.curdoc is not None:  # the callback has not ended yet
            time.sleep(0.01)
        with job(protect()):  # made in the thread
            time.sleep(seconds.value)

    threading.Thread(target=work).start()


jobs = {"Sync": sync_job, "Async": async_job, "Thread": thread_job, "Thread alone": thread_alone_job}
jobs |= {"Finish": finish, "Forget to unblock": lambda event: pn.state.block_expiration()}
buttons = [pn.widgets.Button(name=name, on_click=start) for name, start in jobs.items()]

pn.Column(pn.Row(seconds, result), pn.Row(*buttons)).servable()
