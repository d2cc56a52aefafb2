"""A visit with a real Chromium: what it sees, what it can do, and that nothing is left of it."""

from __future__ import annotations

import base64
import functools
import http.server
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import psutil
import pytest
import pytest_asyncio
from machine import alive, browser_or_skip

from sessionlab import Outage, serve
from sessionlab.client import get_browser
from sessionlab.client.browser import Browser, find_chromium, open_tab
from sessionlab.errors import InvalidOption, NoBrowser, VisitFailed, WrongBrowserPath

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("preloaded")]

browsing = pytest.mark.asyncio(loop_scope="module")
LOST, BACK = "Server connection lost.", "Connection with server was re-established."
APP = """
    import panel as pn

    pn.extension(notifications=True, reconnect=True)

    count = pn.widgets.IntInput(name="count", value=0)
    button = pn.widgets.Button(name="add one", on_click=lambda event: count.param.update(value=count.value + 1))
    slider, note = pn.widgets.IntSlider(name="slider", end=10), pn.widgets.TextInput(name="note")
    pn.Column(slider, button, count, note, pn.bind(lambda v, n: f"slider {v}, note {n}", slider, note)).servable()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    browser_or_skip()
    async with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(app):
    with serve(app(APP), lifetime=60, check=1) as server:
        yield server


@pytest.fixture
def outage(server):
    with Outage(server) as outage:
        yield outage


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser, outage):
    """The application in a tab, through a wire that can be disturbed."""
    async with await browser.open(outage.url) as tab:
        yield tab


def page(html):
    return "data:text/html," + quote("<!doctype html>" + html)


# -- see and do -----------------------------------------------------------------------------------------------


@browsing
async def test_a_page_behind_an_outage_is_a_live_session_without_any_allowed_origin(tab, outage, server):
    assert (len(tab.sockets), outage.connections > 0, await tab.documents()) == (1, True, 1)
    (socket,) = tab.sockets
    assert socket.url == f"ws://127.0.0.1:{outage.port}/app/ws"
    assert 0 < socket.at <= socket.opened <= socket.answered and socket.closed is None
    assert not server.log.matching("Refusing websocket")
    await tab.click("add one")
    await tab.slide("slider", 4)
    await tab.slide("slider", -1)
    await tab.fill("note", "hello")
    await tab.wait_for(lambda: tab.value("count"))
    await tab.wait_for("document.title && Bokeh.documents.length")
    await tab.page.get_by_text("slider 3, note hello").wait_for(timeout=5000)
    assert [await tab.value(name) for name in ("slider", "count", "note")] == [3, 1, "hello"]
    assert await tab.value("slider", "end") == 10
    assert await tab.bokeh("doc.title()") == await tab.page.title()
    assert tab.errors == [] and tab.toasts == []


@browsing
async def test_an_outage_is_seen_as_attempts_and_notifications_on_one_clock(tab, outage):
    await tab.click("add one")
    await tab.wait_for(lambda: tab.value("count"))
    await tab.settle()
    outage.refuse(1.5)
    await tab.wait_for(lambda: any(toast.text == BACK for toast in tab.toasts))
    first, refused, resumed = tab.sockets
    assert (first.code, refused.code) == (1006, 1006)
    assert refused.opened is None and refused.answered is None and not refused.pending
    assert resumed.answered and resumed.closed is None
    assert [round(attempt.at - first.closed) for attempt in (refused, resumed)] == [0, 2]
    assert tab.began + first.closed == pytest.approx(outage.history[0].time, abs=0.25)
    texts = [toast.text.replace("…", "...") for toast in tab.toasts if toast.what != "gone"]
    waiting = [f"{LOST} Attempting to reconnect in {left} seconds..." for left in (2, 1)]
    assert texts == [f"{LOST} Reconnecting now.", *waiting, f"{LOST} Reconnecting now.", BACK]
    lost, *_, back = [toast for toast in tab.toasts if toast.what == "shown"]
    assert {toast.number for toast in tab.toasts if toast.what == "changed"} == {lost.number} != {back.number}
    await tab.wait_for(lambda: any((toast.what, toast.number) == ("gone", lost.number) for toast in tab.toasts))
    assert await tab.value("count") == 1
    await tab.click("add one")
    await tab.wait_for(lambda: becomes(tab, "count", 2))


async def becomes(tab, name, value):
    return await tab.value(name) == value


@pytest.mark.slow("a browser waits as long as BokehJS waits")
@browsing
async def test_the_walked_clock_sees_the_attempts_that_the_real_one_sees(browser, outage):
    async with await browser.open(outage.url) as real, await browser.open(outage.url, clock=True) as fake:
        outage.refuse()
        began = time.monotonic()
        await fake.fast_forward(32)
        walked = time.monotonic() - began
        assert attempts(fake) == [0, 2, 4, 8, 16] and walked < 30
        assert fake.toasts[-1].text == f"{LOST} Click here to attempt manual re-connect."
        await real.wait_for(lambda: len(real.sockets) == 4)
        assert attempts(real) == [0, 2, 4]
        seen = [[(toast.what, toast.text) for toast in tab.toasts] for tab in (real, fake)]
        assert len(seen[0]) > 6 and seen[0] == seen[1][: len(seen[0])]

        await fake.fast_forward(40)  # nothing more happens until somebody clicks, and then once
        await fake.click_toast()
        await fake.wait_for(lambda: len(fake.sockets) == 7 and not fake.sockets[-1].pending)
        await fake.fast_forward(40)
        assert len(fake.sockets) == 7
        outage.restore()
        await fake.click_toast()
        await fake.wait_for(lambda: any(toast.text == BACK for toast in fake.toasts))
        with pytest.raises(InvalidOption, match="real"):
            await real.fast_forward(1)

        outage.slow(0.3)  # the walk waits for what is under way: 0.3 s there and 0.3 s back
        outage.cut()
        await fake.wait_for(lambda: len(fake.sockets) == 9)
        await fake.fast_forward(1)
        assert fake.sockets[-1].answered


def attempts(tab):
    """Whole seconds from the end of each connection, or of each attempt at one, to the next attempt."""
    return [round(later.at - earlier.closed) for earlier, later in itertools.pairwise(tab.sockets)]


@browsing
async def test_an_attempt_that_hears_nothing_is_pending(tab, outage):
    outage.stall()
    before = outage.connections
    await tab.page.evaluate("url => { new WebSocket(url) }", tab.sockets[0].url)
    await tab.wait_for(lambda: len(tab.sockets) == 2 and outage.connections > before)
    assert tab.sockets[1].pending and not tab.sockets[0].pending
    outage.cut()
    await tab.wait_for(lambda: not tab.sockets[1].pending)
    assert (tab.sockets[1].opened, tab.sockets[1].answered, tab.sockets[1].code) == (None, None, 1006)


@browsing
async def test_offline_holds_what_is_sent_and_refuses_what_is_new(tab):
    await tab.offline(True)
    await tab.click("add one")
    await tab.page.evaluate("url => { new WebSocket(url) }", tab.sockets[0].url)
    await tab.wait_for(lambda: len(tab.sockets) == 2 and tab.sockets[1].closed)
    assert await tab.page.evaluate("navigator.onLine") is False
    assert tab.sockets[0].closed is None and await tab.value("count") == 0
    await tab.offline(False)
    await tab.wait_for(lambda: becomes(tab, "count", 1))
    assert len(tab.sockets) == 2


@browsing
async def test_notifications_are_seen_wherever_they_are_drawn(browser):
    html = """<div id=host></div><script>
      const toast = text => Object.assign(document.createElement('div'), {className: 'notyf__toast',
        innerHTML: `<div class=notyf__message>${text}</div>`})
      const box = document.createElement('section')
      box.append(toast('in a box'))
      document.body.append(box)
      const hidden = toast('in the shadow')
      host.attachShadow({mode: 'closed'}).append(hidden)
      setTimeout(() => hidden.firstChild.firstChild.data = 'changed there', 50)
      setTimeout(() => box.remove(), 100)
      setTimeout(() => box.append(toast('out of the page')), 110)
    </script>"""
    async with await browser.open(page(html)) as tab:
        await tab.wait_for(lambda: len(tab.toasts) >= 4)
        seen = [(toast.what, toast.text) for toast in tab.toasts]
        assert seen[:2] == [("shown", "in a box"), ("shown", "in the shadow")]
        assert seen[2:] == [("changed", "changed there"), ("gone", "in a box")]
        assert str(tab.toasts[0]).endswith("shown: in a box") and tab.toasts[0].to_dict()["what"] == "shown"


@browsing
async def test_times_begin_with_the_first_page_and_compare_with_those_of_python(browser):
    async with await browser.open(page("first")) as tab:
        before = time.monotonic()
        now = await tab.page.evaluate("performance.now() / 1000")
        assert before - 0.005 <= tab.began + now <= time.monotonic() + 0.5
        await tab.wait_for("performance.now() > 600")
        began = tab.began
        await tab.load(page("second<script>document.body.innerHTML += '<p class=notyf__toast>late'</script>"))
        await tab.wait_for(lambda: tab.toasts)
        assert tab.toasts[0].at > 0.6 and tab.began == began


@browsing
async def test_console_and_errors_are_recorded_from_the_start(browser):
    html = "<script>console.warn('careful'); setTimeout(() => { throw new Error('broken') })</script>"
    async with await browser.open(page(html)) as tab:
        await tab.wait_for(lambda: tab.errors)
        assert [(line.level, line.text) for line in tab.console] == [("warning", "careful")]
        assert tab.errors[0].text == "broken" and 0 <= tab.errors[0].at < 10


@browsing
async def test_tabs_share_a_browser_and_nothing_else(browser):
    web = functools.partial(http.server.ThreadingHTTPServer, ("127.0.0.1", 0))
    with web(http.server.BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.do_GET = lambda self: (self.send_response(200), self.end_headers())
        server.RequestHandlerClass.log_message = lambda *args: None
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        first = await browser.open(url, width=640, height=480)
        second = await browser.open(url, dark=True)
        async with first, second:
            await first.page.evaluate("document.cookie = 'seen=1'")
            assert await second.page.evaluate("document.cookie") == ""
            look = "[innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches]"
            assert await first.page.evaluate(look) == [640, 480, False]
            assert await second.page.evaluate(look) == [1280, 800, True]
        server.shutdown()


# -- wait, fail -------------------------------------------------------------------------------------------------


@browsing
async def test_what_does_not_happen_in_time_is_an_error_with_what_was_seen(tab):
    with pytest.raises(VisitFailed, match=r"0\.2 s in vain for: 1 > 2") as vain:
        await tab.wait_for("1 > 2", 0.2)
    assert "websocket: attempt at" in str(vain.value)

    def never():
        return False

    with pytest.raises(VisitFailed, match="in vain for never"):
        await tab.wait_for(never, 0.1)
    with pytest.raises(VisitFailed, match="no widget 'nobody'") as unknown:
        await tab.click("nobody")
    assert "add one, count, note, slider" in str(unknown.value)
    with pytest.raises(VisitFailed, match="could not evaluate"):
        await tab.bokeh("doc.nothing.at.all")
    assert await tab.wait_for("[1, 2]") == [1, 2]


@browsing
async def test_a_page_that_cannot_be_opened_leaves_no_tab(browser, outage):
    with pytest.raises(VisitFailed, match="answered with status 404"):
        await browser.open(outage.origin + "/nothing")
    outage.refuse()
    with pytest.raises(VisitFailed, match="could not be opened") as refused:
        await browser.open(outage.url)
    assert "ERR_CONNECTION_REFUSED" in str(refused.value)
    outage.stall()
    with pytest.raises(VisitFailed, match="could not be opened"):
        await browser.open(outage.url, timeout=0.5)
    assert browser._chromium.contexts == []


@browsing
async def test_without_a_running_browser_there_is_no_tab():
    with pytest.raises(VisitFailed, match="not running"):
        await Browser().open(page("never"))


# -- pictures -----------------------------------------------------------------------------------------------------

NOISE = """<title>Noise</title><canvas id=c width=360 height=300></canvas><script>
  const g = c.getContext('2d'), d = g.createImageData(360, 300)
  for (let i = 0; i < d.data.length; i++) d.data[i] = i % 4 == 3 ? 255 : 256 * Math.random()
  g.putImageData(d, 0, 0)</script>"""


@pytest.mark.slow("a browser waits as long as BokehJS waits")
@browsing
async def test_a_picture_is_small_and_says_what_it_shows(browser, tmp_path):
    async with await browser.open(page(NOISE), width=1000, height=800) as tab:
        full = await tab.screenshot(max_kb=10_000)
        small = await tab.screenshot(tmp_path / "noise.png", alt="Nothing to see")
        assert (full.width, full.height) == (1000, 800) and len(full.png) > 300_000
        assert 10_000 < len(small.png) <= 100_000
        assert (tmp_path / "noise.png").read_bytes() == small.png == bytes(small)
        data, metadata = small._repr_mimebundle_()
        assert base64.b64decode(data["image/png"]) == small.png
        assert data["text/plain"] == "Picture: Nothing to see"
        assert metadata == {"image/png": {"alt": "Nothing to see"}}
        assert "Noise" in full.alt
        with pytest.raises(InvalidOption, match="too little"):
            await tab.screenshot(max_kb=1)


# -- find ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any browser, and a way to put programs on its PATH."""
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "bin").mkdir()

    def program(name, text="#!/bin/sh\n"):
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return program


def test_without_any_browser_the_advice_says_how_to_get_one(bare):
    with pytest.raises(NoBrowser, match="get_browser"):
        find_chromium()


def test_the_order_is_CHROME_PATH_then_playwrights_then_PATH(bare, monkeypatch, tmp_path):
    from sessionlab.client.browser import _playwrights_own

    later, sooner, shell = bare("google-chrome"), bare("chromium"), bare("chromium-headless-shell")
    assert find_chromium() == shell
    shell.unlink()
    assert find_chromium() == sooner
    sooner.unlink()
    assert find_chromium() == later
    own = _playwrights_own()
    assert own.is_relative_to(tmp_path / "playwright")
    own.parent.mkdir(parents=True)
    own.symlink_to(later)
    assert find_chromium() == own
    folder = (
        tmp_path / "playwright" / own.relative_to(tmp_path / "playwright").parts[0].replace("m-", "m_headless_shell-")
    )
    shell = folder / "chrome-headless-shell-linux64" / "chrome-headless-shell"
    shell.parent.mkdir(parents=True)
    shell.symlink_to(later)
    assert find_chromium() == shell
    monkeypatch.setenv("CHROME_PATH", str(later))
    assert find_chromium() == later


def test_a_CHROME_PATH_that_cannot_be_used_is_never_passed_over(bare, monkeypatch, tmp_path):
    bare("chromium")
    flat = tmp_path / "flat"
    flat.write_text("no program")
    stub = bare("stub", "#!/bin/sh\nexec /snap/bin/chromium\n")
    for wrong, why in ((tmp_path / "nowhere", "no file"), (tmp_path, "no file"), (flat, "executable"), (stub, "snap")):
        monkeypatch.setenv("CHROME_PATH", str(wrong))
        with pytest.raises(WrongBrowserPath, match=why):
            find_chromium()


def test_a_snap_is_passed_over(bare):
    bare("chromium-browser", "#!/bin/sh\nif ! [ -x /snap/bin/chromium ]; then echo install the snap; fi\n")
    with pytest.raises(NoBrowser, match="is a snap"):
        find_chromium()
    real = bare("google-chrome")
    assert find_chromium() == real


def test_importing_it_costs_no_playwright():
    check = "import sys, sessionlab.client.browser; sys.exit('playwright' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


@browsing
async def test_a_program_that_is_no_browser_is_said_to_be_none(tmp_path):
    sham = tmp_path / "chromium"
    sham.write_text("#!/bin/sh\necho cannot work here >&2\nexit 1\n")
    sham.chmod(0o755)
    with pytest.raises(NoBrowser, match="could not be started") as error:
        async with Browser(sham):
            pass
    assert "cannot work here" in str(error.value) and "--disable" not in str(error.value)


# -- get ----------------------------------------------------------------------------------------------------------


def test_get_browser_says_in_one_line_which_one_there_is_after_a_look_at_what_it_draws():
    browser_or_skip()
    done = subprocess.run([sys.executable, "-m", "sessionlab.client.get_browser"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    version, path = done.stdout.strip().removeprefix("Chromium ").split(": ")
    assert version[0].isdigit() and path == str(find_chromium())


def test_get_browser_installs_nothing_over_a_wrong_CHROME_PATH(bare, monkeypatch, capfd):
    apt = bare("apt-get", "#!/bin/sh\necho called\n")
    monkeypatch.setenv("CHROME_PATH", str(apt.parent / "none"))
    assert get_browser.main() == 1
    out, err = capfd.readouterr()
    assert out == "" and "CHROME_PATH" in err


@pytest.mark.parametrize("package", ["chromium-headless-shell", "chromium"])
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can install with apt")
def test_get_browser_installs_with_apt_what_is_a_real_package(bare, capfd, package):
    bare("apt-cache", f'#!/bin/sh\n[ "$2" = {package} ] && echo "Package: {package}"\n')
    installs = f"""[ "$*" = "install -y {package}" ] && printf '#!/bin/sh\\n' > "$0-made" && chmod 755 "$0-made" """
    bare("apt-get", f'#!/bin/sh\nPATH=/usr/bin:/bin\n{installs}&& mv "$0-made" "${{0%apt-get}}{package}"\ntrue\n')
    assert get_browser._found_or_installed().name == package
    assert capfd.readouterr().out.splitlines() == ["$ apt-get update", f"$ apt-get install -y {package}"]


def test_get_browser_turns_to_playwright_where_apt_has_a_snap_and_fails_in_plain_words(bare, monkeypatch, capfd):
    bare("apt-get")
    bare("apt-cache", "#!/bin/sh\necho 'Package: chromium'; echo 'Version: 2:1snap1-0ubuntu2'\n")
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    assert get_browser.main() == 1
    out, err = capfd.readouterr()
    assert "install -y" not in out and "-m playwright install chromium" in out
    assert "none could be installed" in err and "What to do:" in err and "get_browser`" not in err


def test_get_browser_does_not_believe_in_a_browser_that_draws_nothing(monkeypatch, capfd):
    browser_or_skip()
    monkeypatch.setattr(get_browser, "PAGE", "data:text/html,white")
    assert get_browser.main() == 1
    assert "did not draw a page" in capfd.readouterr().err


# -- end ----------------------------------------------------------------------------------------------------------

DIES = """
import asyncio, psutil
from sessionlab.client.browser import open_tab

async def main():
    async with open_tab("data:text/html,here"):
        print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
        while True: pass

asyncio.run(main())
"""


def test_nothing_is_left_when_python_is_killed():
    browser_or_skip()
    child = subprocess.Popen([sys.executable, "-c", DIES], stdout=subprocess.PIPE, text=True)
    try:
        family = [int(pid) for pid in child.stdout.readline().split()]
    finally:
        child.send_signal(signal.SIGKILL)
    assert len(family) > 3  # the driver, the browser, its helpers
    killed = time.monotonic()
    while any(map(alive, family)):
        assert time.monotonic() - killed < 2, [psutil.Process(pid) for pid in family if alive(pid)]
        time.sleep(0.02)
    child.wait()
    child.stdout.close()


@browsing
async def test_nothing_is_left_after_a_failure_in_the_block(browser):
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(ZeroDivisionError):
        async with open_tab(page("here")):
            assert {child.pid for child in psutil.Process().children(recursive=True)} - before
            1 / 0  # noqa: B018
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    assert not [pid for pid in left if alive(pid)]
