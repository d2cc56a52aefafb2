"""Log in as a user of the application: HTTP Basic where the server asks for it, else the form that stands there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from sessionlab.client.cookies import Cookies
from sessionlab.client.page import Page, fetch_page
from sessionlab.errors import InvalidOption, NeedsCredentials

NAMES = ("text", "email", "", None)  # types of a field for the user's name


@dataclass(frozen=True)
class Login:
    """Who logs in. The password stands in no text that this shows."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Login:
        """``USER:PASSWORD``. Raises InvalidOption, without telling what was given."""
        user, colon, password = text.strip().partition(":")
        if not (user and colon):
            raise InvalidOption("The login cannot be read.", advice="give it as USER:PASSWORD.")
        return cls(user, password)

    async def enter(self, url: str, headers: Mapping[str, str], cookies: Cookies) -> dict[str, str]:
        """Log in where ``url`` asks for it; ``cookies`` gain what the server sets. Returns the headers to send.

        Raises
        ------
        NeedsCredentials when the login is refused, or nothing is found by which to log in.
        """
        page = await fetch_page(url, cookies, headers=headers)
        if page.status == 401 and "basic" in page.headers.get("Www-Authenticate", "").lower():
            known = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers = {**headers, "Authorization": f"Basic {known}"}
            page = await fetch_page(url, cookies, headers=headers)
            if page.status == 401:
                raise self._refused(page)
            return headers
        form = None if page.token else _Form.of(page)  # a page of the application may have a field for a password
        if form is None:
            if page.status < 400:
                return dict(headers)  # nobody asks
            raise NeedsCredentials(
                f"{urlsplit(url).path} asks who comes, and has no form in which a name could be written.",
                why=f"The page {page.url} answered {page.status}: {page.shown[:200]}",
                advice="give what the server takes as a --header or a --cookie.",
            )
        action = urljoin(page.url, form.action or page.url)
        answer = await fetch_page(action, cookies, headers=headers, form=form.filled(self.user, self.password))
        if answer.status >= 400 or (not answer.token and _Form.of(answer) is not None):
            raise self._refused(answer)
        return dict(headers)

    def _refused(self, page: Page) -> NeedsCredentials:
        return NeedsCredentials(
            f"The login of {self.user!r} was refused.",
            why=f"The page {page.url.partition('?')[0]} answered {page.status}: {page.shown[:200]}",
            advice="look at user and password: USER:PASSWORD, for the application as it is served here.",
        )


class _Form(HTMLParser):
    """The first form of a page that has a field for a password."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.user = self.password = ""
        self._open = False

    @classmethod
    def of(cls, page: Page) -> _Form | None:
        form = cls()
        form.feed(page.text)
        return form if form.password else None

    def filled(self, user: str, password: str) -> dict[str, str]:
        return {**self.hidden, self.user or "username": user, self.password: password}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and not self.password:
            self._open, self.action = True, values.get("action") or ""
            self.hidden, self.user = {}, ""
        elif tag == "input" and self._open and (name := values.get("name")):
            kind = values.get("type")
            if kind == "hidden":
                self.hidden[name] = values.get("value") or ""
            elif kind == "password":
                self.password = self.password or name
            elif kind in NAMES and not self.password:
                self.user = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
