"""Put in place by import: a Page stops watching what is shared when its session ends."""

import weakref

from panel.io.state import state
from panel.util.parameters import edit_readonly
from panel_material_ui import Page

initialize = Page.__init__


def __init__(self, **params):
    initialize(self, **params)
    if state.curdoc is not None and state.curdoc.session_context is not None:
        page = weakref.ref(self)
        state.curdoc.on_session_destroyed(lambda context: let_go(page()))


def let_go(page):
    if page is not None:
        with edit_readonly(page):
            page.busy = page.param.loading  # a reference to what is its own takes the place of the shared one


Page.__init__ = __init__
