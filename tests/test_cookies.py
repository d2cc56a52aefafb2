"""What a visitor's browser keeps of cookies, and what it sends."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from sessionlab.client.cookies import Cookies

HERE = "http://127.0.0.1:5006"


def told(*lines: str) -> HTTPHeaders:
    headers = HTTPHeaders()
    for line in lines:
        headers.add("Set-Cookie", line)
    return headers


def sent(cookies: Cookies, url: str) -> str | None:
    return cookies.sent_with(url).get("Cookie")


def test_what_is_given_and_set_goes_with_page_and_websocket():
    cookies = Cookies(f"{HERE}/app", {"user": "ada"})
    cookies.collect(f"{HERE}/app", told("server=one; Path=/", 'quoted="a b"; Path=/; HttpOnly'))
    assert dict(cookies) == {"user": "ada", "server": "one", "quoted": '"a b"'}
    for url in (f"{HERE}/app", "ws://127.0.0.1:5006/app/ws", "http://127.0.0.1:8080/"):  # a port makes no difference
        assert sent(cookies, url).split("; ") == ["user=ada", "server=one", 'quoted="a b"']
    assert cookies.sent_with(HERE, {"X-User": "b"})["X-User"] == "b"
    assert "ada" not in repr(cookies)


def test_a_logout_is_seen():
    cookies = Cookies(HERE, {"login": "secret", "theme": "dark"})
    cookies.collect(HERE, told("login=; Max-Age=0; Path=/"))
    assert sent(cookies, HERE) == "theme=dark"
    cookies.collect(HERE, told("theme=; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"))
    assert sent(cookies, HERE) is None and len(cookies) == 0


def test_a_path_and_a_host_are_kept_to():
    cookies = Cookies(HERE)
    cookies.collect(f"{HERE}/admin/", told("adm=1; Path=/admin", "far=1; Domain=elsewhere.org"))
    assert sent(cookies, f"{HERE}/admin/users") == "adm=1"
    assert sent(cookies, f"{HERE}/app") is None and sent(cookies, "http://elsewhere.org/") is None


def test_a_secure_cookie_needs_tls_or_a_loopback_address():
    for near in (HERE, "http://localhost:5006", "http://[::1]:5006"):
        cookies = Cookies(near)
        cookies.collect(near, told("login=secret; Secure; Path=/"))
        assert sent(cookies, f"{near}/app") == "login=secret", near
    far = Cookies("https://example.org")
    far.collect("https://example.org", told("login=secret; Secure; Path=/"))
    assert sent(far, "https://example.org/app") == sent(far, "wss://example.org/app/ws") == "login=secret"
    assert sent(far, "http://example.org/app") is None


@pytest.mark.parametrize("line", ["", ";;;", "=", "a b c", "=x; y"])
def test_nonsense_is_passed_over(line):
    cookies = Cookies(HERE)
    cookies.collect(HERE, told(line, "good=1"))
    assert cookies["good"] == "1"
