"""The course as a static site: built without a warning, and read in a browser."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from machine import browser_or_skip

from sessionlab.client.browser import Browser

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
pytestmark = [pytest.mark.slow("the whole course is built as a site"), pytest.mark.xdist_group("book")]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "book", ".", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not built.returncode, built.stderr
    return folder


@pytest.fixture(scope="module")
def address(book):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=book)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_notebook_is_a_page_and_says_nothing_of_one_machine(book):
    for name in NAMES:
        page = (book / "notebooks" / f"{name}.html").read_text("utf-8")
        assert 'href="http://127.0.0.1' not in page and "system-message" not in page
        assert not [image for image in re.findall(r"<img [^>]*>", page) if not re.search(r'alt="[^"]', image)]
    first = (book / "README.html").read_text("utf-8")
    assert all(f'href="notebooks/{name}.html"' in first for name in NAMES)
    assert "README.html" in (book / "index.html").read_text("utf-8")


def test_a_chapter_shows_what_was_stored_and_leads_to_the_live_one(book):
    page = (book / "notebooks" / "06_leak_hunting.html").read_text("utf-8")
    assert "[0, 12, 24, 36, 48, 60]" in page and "Here stands a live app" in page
    assert "https://mybinder.org/v2/gh/" in page
    assert "/blob/HEAD/notebooks/apps/leaky.py" in page


@pytest.mark.server
@pytest.mark.parametrize("width", [390, 800, 1280])
async def test_no_page_asks_another_server_or_is_wider_than_the_window(address, width):
    browser_or_skip()
    asked: list[str] = []
    async with Browser() as browser, await browser.open("about:blank", width=width, height=900) as tab:
        tab.page.on("request", lambda request: asked.append(request.url))
        for page in ("README.html", "notebooks/02_reconnect.html", "notebooks/06_leak_hunting.html"):
            await tab.page.goto(f"{address}/{page}")
            assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(asked) > 10 and all(url.startswith((address, "data:", "about:")) for url in asked), asked


@pytest.mark.server
async def test_the_search_finds_a_chapter(address):
    browser_or_skip()
    async with Browser() as browser, await browser.open(f"{address}/search.html?q=retainers") as tab:
        await tab.page.get_by_role("link", name="Leak hunting").first.wait_for(timeout=20_000)
