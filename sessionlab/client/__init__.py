"""Visitors: one session over a websocket without a browser, a tab of a real browser, or a crowd."""

from sessionlab.client.page import Page, get_page
from sessionlab.client.protocol import Session, visit

__all__ = ["Page", "Session", "get_page", "visit"]
