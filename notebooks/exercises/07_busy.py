# panel serve 07_busy.py
"""A light that says whether the server works for somebody. It works, and it leaks a Document for every visit."""

import time

import panel as pn

pn.extension()


def words(busy):
    return "working" if busy else "idle"


light = pn.panel(pn.bind(words, pn.state.param.busy))  # your turn: who lets go of this binding?

work = pn.widgets.Button(name="Work", on_click=lambda event: time.sleep(0.2))
pn.Column(work, light).servable()
