"""The application that a `Monitor` serves in a process of its own."""

import os

import panel as pn

from sessionlab.agent.announce import announce
from sessionlab.monitor.page import serve_page
from sessionlab.monitor.watch import Watch, Watched


def begin() -> Watch:
    watch = Watch(Watched.from_json(os.environ["SESSIONLAB_WATCHED"]))
    announce(event="watching", url=watch.outage.url, urls=watch.outage.urls)
    return watch


serve_page(pn.state.as_cached("sessionlab.watch", begin))
