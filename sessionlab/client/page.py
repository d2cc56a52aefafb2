"""The page of an application: asked for once, and what BokehJS would read out of it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from urllib.parse import urlencode, urljoin, urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import DefaultLoopResolver, is_valid_ip
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from sessionlab.client.cookies import Cookies
from sessionlab.client.shown import Shown
from sessionlab.errors import VisitFailed

TOKEN = re.compile(r'"token"\s*:\s*"([^"\\]+)"')
PATHS = re.compile(r'\.embed_items\(docs_json, render_items(?:, *"([^"]*)")?(?:, *"([^"]*)")? *\)')
HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.DOTALL)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10


class Addresses(DefaultLoopResolver):
    """Answers for a numeric address at once; the usual way asks a pool of threads."""

    async def resolve(self, host, port, family=socket.AF_UNSPEC):
        if is_valid_ip(host):
            return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]
        return await super().resolve(host, port, family)


ADDRESSES = Addresses()


@dataclass(frozen=True)
class Page(Shown):
    """An answer to a GET: final ``url``, ``status``, ``headers``, ``cookies``, ``text``, ``seconds`` it took."""

    url: str
    status: int
    headers: Mapping[str, str]
    cookies: Cookies
    text: str = field(repr=False)
    seconds: float

    @cached_property
    def token(self) -> str | None:
        """The session token, or None if the page has none."""
        found = TOKEN.search(self.text)
        return found and found[1]

    @property
    def session_id(self) -> str | None:
        return read_token(self.token).get("session_id") if self.token else None

    @property
    def token_expires(self) -> float | None:
        """When the server stops accepting the token: seconds since the epoch, or None."""
        return read_token(self.token).get("session_expiry") if self.token else None

    @property
    def websocket_url(self) -> str:
        """Where BokehJS connects: beside the page, unless the page names another path or server."""
        named = PATHS.search(self.text)
        app_path, absolute_url = named.groups() if named else (None, None)
        place, page = urlsplit(absolute_url or self.url), urlsplit(self.url)
        path = place.path.rstrip("/") if app_path is None else "" if app_path == "/" else app_path
        scheme = "wss" if place.scheme == "https" else "ws"
        return f"{scheme}://{place.netloc}{path}/ws" + (f"?{page.query}" if page.query else "")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def shown(self) -> str:
        """The text of the page without its markup, at most 500 characters."""
        return " ".join(HIDDEN.sub(" ", self.text).split())[:500]

    def __str__(self) -> str:
        token = f"session {self.session_id}" if self.token else "no session token"
        return f"GET {self.url}: {self.status} in {self.seconds:.3f} s, {token}"

    def to_dict(self) -> dict:
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        shown |= {"headers": dict(self.headers), "cookies": dict(self.cookies)}
        return {**shown, "session_id": self.session_id, "token_expires": self.token_expires}


def read_token(token: str) -> dict:
    """The readable part of a session token: ``session_id``, ``session_expiry``; {} if it cannot be read."""
    payload = token.partition(".")[0]
    try:
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}


async def get_page(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    timeout: float = 30,  # noqa: ASYNC109 - for each answer, not for all of it
) -> Page:
    """Ask for a page as a bot or a probe does, and stop there: no websocket is opened.

    Parameters
    ----------
    url : of the page; redirects are followed, and cookies set on the way are kept. One that leads to another host, such
        as an identity provider, is the answer: the page's ``url`` is where it leads.
    headers, cookies : to send.
    timeout : seconds for each answer.

    Any HTTP status is an answer. Raises VisitFailed if none comes.
    """
    return await fetch_page(url, Cookies(url, cookies), headers=headers, timeout=timeout)


async def fetch_page(
    url: str,
    jar: Cookies,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    timeout: float = 30,  # noqa: ASYNC109 - for each answer, not for all of it
) -> Page:
    """As `get_page`, with a ``jar`` of cookies that gains those of the answers; a ``form`` is sent to ``url`` first."""
    started, body = time.perf_counter(), None if form is None else urlencode(form)
    client = SimpleAsyncHTTPClient(force_instance=True, resolver=ADDRESSES)
    try:
        for _ in range(MAX_REDIRECTS):
            request = HTTPRequest(
                url,
                method="GET" if body is None else "POST",
                body=body,
                headers=jar.sent_with(url, headers),
                follow_redirects=False,
                connect_timeout=timeout,
                request_timeout=timeout,
            )
            response = await client.fetch(request, raise_error=False)
            if response.code == 599:  # Tornado's own number for "no answer"
                raise response.error or OSError("there was no answer")
            jar.collect(url, response.headers)
            if response.code in REDIRECTS and "Location" in response.headers:
                here, url = urlsplit(url).hostname, urljoin(url, response.headers["Location"])
                if urlsplit(url).hostname == here:
                    body = None
                    continue
            text = response.body.decode("utf-8", "replace")
            return Page(url, response.code, dict(response.headers), jar, text, time.perf_counter() - started)
    except (OSError, HTTPClientError, ValueError) as error:
        raise VisitFailed(
            f"The page {url} did not answer.", why=str(error), advice="look whether the server runs and at its log."
        ) from error
    finally:
        client.close()
    raise VisitFailed(f"The page redirects more than {MAX_REDIRECTS} times, last to {url}.")
