"""A dashboard that follows a price."""

import panel as pn
from feed import FEED, History

pn.extension()


class Dashboard(pn.viewable.Viewer):
    def __init__(self):
        super().__init__()
        self.history = History()
        self.shown = pn.pane.Str(str(FEED.price))
        FEED.param.watch(self.follow, "price")

    def follow(self, event):
        self.shown.object = str(event.new)

    def __panel__(self):
        return pn.Column("## The price", self.shown)


Dashboard().servable()
