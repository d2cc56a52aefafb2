"""What a browser's tab keeps of one session for the next: a text in its `sessionStorage`, which outlives a reload."""

from __future__ import annotations

import json
from collections.abc import Callable

from bokeh.document import Document
from bokeh.models import CustomJS

# Runs when the page is ready and after each reconnect, also of one whose session is new: hands over what is stored, and
# stores what the server sends.
PAGE = """
const type = %s, key = type + %s + location.pathname
let stored = null
try { stored = sessionStorage.getItem(key) } catch {}
if (!cb_obj[type]) {
  cb_obj[type] = true
  cb_obj.on_message(type, (text) => { try { sessionStorage.setItem(key, text) } catch {} })
}
const {MessageSentEvent} = Bokeh.require("document/events")
cb_obj._trigger_on_change(new MessageSentEvent(cb_obj, type, stored))
"""


def keep_in_tab(doc: Document, kind: str, route: str, hear: Callable[[object], None]) -> None:
    """Call ``hear`` with the text that the tab has stored for this ``kind`` and ``route``, or with None.

    The tab stores what the server sends as a message of this kind.
    """
    script = CustomJS(code=PAGE % (json.dumps(kind), json.dumps(route)))
    doc.js_on_event("document_ready", script)
    doc.js_on_event("client_reconnected", script)
    doc.on_message(kind, hear)
