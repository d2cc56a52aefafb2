"""Put in place by import: a page that comes back is ready, whether it says so or not."""

from functools import partial

from panel.io.application import Application
from panel.io.state import state

initialize_document_ = Application.initialize_document


def initialize_document(self, doc):
    initialize_document_(self, doc)
    doc.on_event("client_reconnected", partial(load_if_new, doc))


def load_if_new(doc, event):
    if not state._loaded.get(doc):  # a session that has been ready runs its onload callbacks no second time
        state._schedule_on_load(doc, event)


Application.initialize_document = initialize_document
