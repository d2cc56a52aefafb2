"""Every click starts a thread that ends soon."""

import threading

import panel as pn

done = threading.Event()


def work():
    done.set()


def start(event):
    threading.Thread(target=work).start()


pn.Column(pn.widgets.Button(name="Start", on_click=start)).servable()
