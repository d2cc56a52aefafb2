"""Put in place by import: a NotificationArea knows the Document that it stands in, and leaves with it."""

from panel.io.document import create_doc_if_none_exists
from panel.io.notifications import NotificationArea


def get_root(self, doc=None, comm=None, preprocess=True):
    """As every other get_root; besides, `_server_destroy` is called when the session ends, and finds the view."""
    doc = create_doc_if_none_exists(doc)
    root = super(NotificationArea, self).get_root(doc, comm, preprocess)
    self._documents[doc] = root
    # state._destroy_session() would call it too, but finds nothing: when it runs, _destroy_document() has
    # emptied state._notifications.
    doc.on_session_destroyed(self._server_destroy)
    return root


NotificationArea.get_root = get_root
