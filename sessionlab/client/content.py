"""Whether a page has anything on it that an application put there."""

from __future__ import annotations

import contextlib
import re

from sessionlab.client.protocol import Session
from sessionlab.client.values import Model
from sessionlab.errors import VisitFailed

SOON = 1.0  # seconds in which a page is filled that is filled after it was loaded
# what Panel adds to the roots of a page by itself
HELPERS = ("Location", "BrowserInfo")
HELPER_DATA = re.compile(r"(NotificationArea|\w*TemplateActions)\d*$")


async def has_content(session: Session) -> bool:
    """Whether the document has a root besides Panel's helpers, now or a moment after it was loaded."""
    with contextlib.suppress(VisitFailed):
        await session.wait_for(lambda seen: not all(map(_is_helper, seen.document.roots)), timeout=SOON)
    return not all(map(_is_helper, session.document.roots))


def _is_helper(root: Model) -> bool:
    data = root.attributes.get("data")
    return root.short_type in HELPERS or (
        root.short_type == "ReactiveHTML" and isinstance(data, Model) and bool(HELPER_DATA.match(data.short_type))
    )
