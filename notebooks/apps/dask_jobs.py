"""A long job on Dask: it belongs to its number and not to a session. `?job=7` finds it again, from any session."""

import os

import panel as pn
from distributed import Client, LocalCluster

pn.extension(reconnect=True)


def connect():
    """Once for all sessions: the cluster that the environment names, or else a small one in this process."""
    if address := os.environ.get("DASK_SCHEDULER_ADDRESS"):
        return Client(address, set_as_default=False)
    # Left to itself, Dask opens its status pages to the whole network.
    pages = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    return Client(LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **pages), set_as_default=False)


def long_job():
    """The job as Dask can take it anywhere: it refers to nothing of this script, which ends with its session."""

    def work(number, seconds):
        import time

        print("job began", flush=True)
        time.sleep(seconds)
        print("job ended: well", flush=True)
        return number * 6

    return work


client = pn.state.as_cached("client", connect)
futures = pn.state.as_cached("futures", dict)  # by number, for all sessions

number = int(pn.state.session_args.get("job", [b"7"])[0])
seconds = pn.widgets.FloatInput(name="Seconds", value=3)
result = pn.widgets.TextInput(name="Result", value="none yet", disabled=True)


def start(event):
    futures[number] = client.submit(long_job(), number, seconds.value, pure=False)
    look()


def look():
    if number in futures:
        future = futures[number]
        result.value = str(future.result()) if future.done() else "working"


look()
pn.state.add_periodic_callback(look, period=200)
pn.Column(pn.Row(seconds, result), pn.widgets.Button(name="Dask", on_click=start)).servable()
