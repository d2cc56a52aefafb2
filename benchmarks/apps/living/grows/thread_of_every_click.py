# holder: Thread\(wait
# by: event
"""Every click starts a thread that waits for what never comes."""

import threading

import panel as pn

never = threading.Event()


def wait():
    never.wait()


def start(event):
    threading.Thread(target=wait, daemon=True).start()


pn.Column(pn.widgets.Button(name="Start", on_click=start)).servable()
