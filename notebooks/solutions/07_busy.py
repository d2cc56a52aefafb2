# panel serve 07_busy.py
"""A light that says whether the server works for somebody. It works, and it leaks a Document for every visit."""

import panel as pn

pn.extension()


jobs = []


def words(busy, jobs=jobs):
    if busy:
        jobs.append("a job")
    return "working" if busy else f"idle after {len(jobs)} jobs"


# >>> solution
light = pn.pane.Markdown(words(False))
# `pn.state` lives as long as the server: who watches it has to stop when the session ends.
watcher = pn.state.param.watch(lambda event: light.param.update(object=words(event.new)), "busy")
pn.state.on_session_destroyed(lambda session_context, state=pn.state, watcher=watcher: state.param.unwatch(watcher))
# >>> stub
# light = pn.panel(pn.bind(words, pn.state.param.busy))  # your turn: who lets go of this binding?
# <<<


def work(event):
    sum(range(1_000_000))


pn.Column(pn.widgets.Button(name="Work", on_click=work), light).servable()
