# panel serve 07_busy.py
"""A light that says whether the server works for somebody. It works, and it leaks a Document for every visit."""

import panel as pn

pn.extension()


jobs = []


def words(busy, jobs=jobs):
    if busy:
        jobs.append("a job")
    return "working" if busy else f"idle after {len(jobs)} jobs"


light = pn.panel(pn.bind(words, pn.state.param.busy))  # your turn: who lets go of this binding?


def work(event):
    sum(range(1_000_000))


pn.Column(pn.widgets.Button(name="Work", on_click=work), light).servable()
