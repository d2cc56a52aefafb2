"""Put in place by import: what has come while messages were written is written too."""

import panel.io.document as document

dispatch_messages = document._dispatch_msgs


async def _dispatch_msgs(doc):
    await dispatch_messages(doc)
    if doc in document._WRITE_MSGS:  # a task is scheduled for these, and does nothing without the block
        document._WRITE_BLOCK[doc] = True


document._dispatch_msgs = _dispatch_msgs
