"""Cookies as a browser keeps them: the standard library's jar, for Tornado's requests and answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit
from urllib.request import Request

from tornado.httputil import HTTPHeaders
from tornado.netutil import is_valid_ip

TRUSTED = ("https", "http")  # of a loopback address: Chromium sends Secure cookies there, without TLS too


class Cookies(Mapping[str, str]):
    """What a visitor's browser has been told to keep: values by name.

    Parameters
    ----------
    url : whose host the ``given`` cookies, values by name, are for.
    """

    def __init__(self, url: str, given: Mapping[str, str] | None = None):
        self._jar = CookieJar(DefaultCookiePolicy(secure_protocols=TRUSTED if _is_near(url) else ("https",)))
        for name, value in (given or {}).items():
            self.collect(url, HTTPHeaders({"Set-Cookie": f"{name}={value}; Path=/"}))

    def collect(self, url: str, headers: HTTPHeaders) -> None:
        """Keep, and forget, what an answer from ``url`` says."""
        told = Message()
        for line in headers.get_list("Set-Cookie"):
            told["Set-Cookie"] = line
        self._jar.extract_cookies(_Answer(told), _request(url))  # type: ignore[arg-type]  # all that it asks for

    def sent_with(self, url: str, headers: Mapping[str, str] | None = None) -> HTTPHeaders:
        """The ``headers`` of a request to ``url``, with the cookies that go with it."""
        request, lines = _request(url), HTTPHeaders(headers or {})
        self._jar.add_cookie_header(request)
        if cookie := request.get_header("Cookie"):
            lines["Cookie"] = cookie
        return lines

    def __getitem__(self, name: str) -> str:
        return {cookie.name: cookie.value or "" for cookie in self._jar}[name]

    def __iter__(self) -> Iterator[str]:
        return iter({cookie.name: None for cookie in self._jar})

    def __len__(self) -> int:
        return len(set(self))

    def __repr__(self) -> str:
        return f"<cookies {', '.join(self)}>"  # the values may be secrets


@dataclass(frozen=True)
class _Answer:
    """An answer as the jar asks for it."""

    told: Message

    def info(self) -> Message:
        return self.told


def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or (is_valid_ip(host) and ipaddress.ip_address(host).is_loopback)


def _request(url: str) -> Request:
    return Request("http" + url.removeprefix("ws") if url.startswith("ws") else url)
