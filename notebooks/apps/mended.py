"""The same dashboard: it stops following when its session ends."""

import panel as pn
from feed import FEED, History

pn.extension()


class Dashboard(pn.viewable.Viewer):
    def __init__(self):
        super().__init__()
        self.history = History()
        self.shown = pn.pane.Str(str(FEED.price))
        watcher = FEED.param.watch(self.follow, "price")
        pn.state.on_session_destroyed(lambda context, feed=FEED: feed.param.unwatch(watcher))

    def follow(self, event):
        self.shown.object = str(event.new)

    def __panel__(self):
        return pn.Column("## The price", self.shown)


Dashboard().servable()
