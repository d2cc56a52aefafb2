"""Every session leaves something behind: a subscription on an object that all sessions share."""

import numpy as np
import panel as pn

pn.extension()


class Dashboard(pn.viewable.Viewer):
    def __init__(self):
        super().__init__()
        self.table = np.ones(200_000)  # 1.6 MB that belong to this session, or so it seems
        pn.state.param.watch(self.redraw, "busy")  # pn.state lives as long as the process

    def redraw(self, event):
        self.table.sum()

    def __panel__(self):
        return pn.pane.Markdown("A dashboard.")


Dashboard().servable()
