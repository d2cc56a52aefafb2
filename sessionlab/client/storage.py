"""What a browser's tab keeps for `sessionlab.harden`: the part of the page's script, for sessions without a browser.

storage = Storage()
async with visit(url) as session:
    await storage.hand_over(session)
    ...
    storage.keep(session)
"""

from __future__ import annotations

from sessionlab.client.protocol import Session

KINDS = ("sessionlab_persist", "sessionlab_recover")  # messages of `persist` and of `recover_inputs`


class Storage:
    """The `sessionStorage` of one tab: ``kept`` are texts by the kind of message, and outlive each session."""

    def __init__(self):
        self.kept: dict[str, str] = {}

    async def hand_over(self, session: Session) -> None:
        """Say what the tab has kept, as the page does when it is ready, and each time when it has come back.

        Returns when the server has taken it. What it sets again may come a moment later.
        """
        said = [(kind, self.kept.get(kind)) for kind in KINDS]
        await session.send([{"kind": "MessageSent", "msg_type": kind, "msg_data": text} for kind, text in said])

    def keep(self, session: Session) -> None:
        """Take what the server has sent the tab to keep, before its document is left."""
        for kind, text in session.document.messages:
            if kind in KINDS and isinstance(text, str):
                self.kept[kind] = text
