"""The mended dashboard with a cache: the histories of the last ten visitors are kept."""

import panel as pn
from feed import FEED, history_of

pn.extension()


class Dashboard(pn.viewable.Viewer):
    def __init__(self):
        super().__init__()
        self.history = history_of(pn.state.curdoc.session_context.id)
        self.shown = pn.pane.Str(str(FEED.price))
        watcher = FEED.param.watch(self.follow, "price")
        pn.state.on_session_destroyed(lambda context, feed=FEED: feed.param.unwatch(watcher))

    def follow(self, event):
        self.shown.object = str(event.new)

    def __panel__(self):
        return pn.Column("## The price", self.shown)


Dashboard().servable()
