"""The wire between a client and a server, disturbed: on real sockets, against a real echo and a real application."""

from __future__ import annotations

import errno
import gc
import os
import random
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionlab import Outage, serve
from sessionlab.errors import InvalidOption, OutageClosed

QUIET = 0.25  # seconds without a byte that count as silence


class Echo(socketserver.ThreadingTCPServer):
    """Sends back what it gets; counts what it has sent, the open connections, and those that were reset."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        self.open = self.sent = self.resets = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), self.echo)

    def echo(self, wire, address, server):
        with self.lock:
            self.open += 1
        try:
            while data := wire.recv(1 << 16):
                if data.startswith(b"flood"):
                    while True:
                        self.sent += wire.send(b"." * 65536)
                wire.sendall(data)
        except ConnectionResetError:
            self.resets += 1
        except OSError:
            pass
        with self.lock:
            self.open -= 1

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/echo"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()


@pytest.fixture
def echo():
    with Echo() as server:
        yield server


@pytest.fixture
def outage(echo):
    with Outage(echo.url) as outage:
        yield outage


@pytest.fixture
def connect(outage):
    wires = []

    def connect(timeout=5.0):
        wires.append(socket.create_connection(("127.0.0.1", outage.port), timeout=timeout))
        return wires[-1]

    yield connect
    for wire in wires:
        wire.close()


def ask(wire, text=b"hello"):
    wire.sendall(text)
    return receive(wire, len(text))


def receive(wire, length):
    """`length` bytes, or fewer when the other side ends before."""
    parts = []
    while length > 0 and (data := wire.recv(length)):
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


def silent(wire, seconds=QUIET):
    wire.settimeout(seconds)
    try:
        wire.recv(1)
        return False
    except TimeoutError:
        return True
    finally:
        wire.settimeout(5)


def until(condition, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


# -- up ---------------------------------------------------------------------------------------------------


def test_bytes_pass_unchanged_both_ways_and_a_half_close_does_too(connect, outage):
    wire = connect()
    data = random.Random(1).randbytes(3_000_000)
    threading.Thread(target=lambda: (wire.sendall(data), wire.shutdown(socket.SHUT_WR))).start()
    assert receive(wire, len(data) + 1) == data  # one more was asked for: the end came after the last byte
    until(lambda: outage.connections == 0)
    assert (outage.state, outage.history) == ("up", ())


def test_200_connections(connect, outage, echo):
    wires = [connect() for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.sendall(b"%03d" % number)
    assert [int(receive(wire, 3)) for wire in wires] == list(range(200))
    assert outage.connections == echo.open == 200
    outage.cut()
    assert [wire.recv(1) for wire in wires] == [b""] * 200
    assert outage.connections == 0
    until(lambda: echo.open == 0)


def test_a_client_that_does_not_read_holds_the_server_back(connect, echo):
    wire = connect()
    wire.sendall(b"flood")

    def still():
        before = echo.sent
        time.sleep(0.2)
        return before == echo.sent > 0

    until(still)
    held = echo.sent
    assert held < 32 << 20, "an endless download must not be piled up in the proxy"
    receive(wire, held)
    until(lambda: echo.sent > held)


def test_a_busy_main_thread_does_not_stall_it(connect):
    wire, answers = connect(), []
    client = threading.Thread(target=lambda: answers.extend(ask(wire) for _ in range(20)))
    client.start()
    while client.is_alive():
        sum(range(10_000))
    assert answers == [b"hello"] * 20


# -- cut --------------------------------------------------------------------------------------------------


def test_cut_with_fin_ends_both_sides_and_accepts_new_ones_at_once(connect, outage, echo):
    wire = connect()
    ask(wire)
    outage.cut()
    assert wire.recv(1) == b""
    until(lambda: echo.open == 0)
    assert echo.resets == 0
    assert ask(connect()) == b"hello"
    assert (outage.state, [str(action) for action in outage.history]) == ("up", ["cut fin"])


def test_cut_with_rst_resets_both_sides(connect, outage, echo):
    wire = connect()
    ask(wire)
    outage.cut("rst")
    with pytest.raises(ConnectionResetError):
        wire.recv(1)
    until(lambda: echo.open == 0)
    assert echo.resets == 1


def test_a_connection_that_was_just_made_is_cut_too(connect, outage):
    for _ in range(200):
        wire = connect()
        outage.cut()
        assert wire.recv(1) == b""


def test_fin_comes_first_even_when_bytes_were_on_their_way(connect, outage):
    wire = connect()
    outage.stall()
    wire.sendall(b"never read")
    outage.cut("fin")
    assert wire.recv(1) == b""


# -- refuse -----------------------------------------------------------------------------------------------


def test_refuse_closes_everything_refuses_and_keeps_the_port(connect, outage):
    wire = connect()
    ask(wire)
    outage.refuse()
    assert wire.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect()
    with socket.socket() as thief, pytest.raises(OSError, match="in use") as taken:
        thief.bind(("127.0.0.1", outage.port))
    assert taken.value.errno == errno.EADDRINUSE
    assert outage.state == "refusing"
    outage.refuse()  # twice is no harm
    outage.restore()
    assert ask(connect()) == b"hello"
    assert wire.recv(1) == b"", "a connection that was closed must not come back"


def test_refuse_for_a_time_ends_by_itself(connect, outage):
    outage.refuse(0.3)
    with pytest.raises(ConnectionRefusedError):
        connect()
    until(lambda: outage.state == "up")
    assert ask(connect()) == b"hello"
    refused, restored = outage.history
    assert (refused.action, restored.action) == ("refuse 0.3 s", "restore")
    assert 0.3 <= restored.time - refused.time < 1.5


def test_a_later_action_takes_the_place_of_the_end_that_was_planned(connect, outage):
    outage.refuse(0.2)
    outage.refuse()
    time.sleep(0.4)  # past the time at which the first refusal would have ended
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert [action.action for action in outage.history] == ["refuse 0.2 s", "refuse"]


# -- stall ------------------------------------------------------------------------------------------------


def test_stall_passes_no_byte_closes_nothing_and_delivers_later(connect, outage, echo):
    wire = connect()
    ask(wire)
    outage.stall()
    wire.sendall(b"one ")
    late = connect()
    late.sendall(b"late")
    assert silent(wire) and silent(late)
    assert echo.open == 1, "a new connection must not reach the server"
    wire.sendall(b"two")
    outage.restore()
    assert receive(wire, 7) == b"one two"
    assert receive(late, 4) == b"late"


def test_while_stalled_a_side_that_hangs_up_is_not_noticed_by_the_other(connect, outage, echo):
    wire = connect()
    ask(wire)
    outage.stall()
    wire.sendall(b"last words")
    wire.close()
    time.sleep(QUIET)
    assert echo.open == 1
    outage.restore()
    until(lambda: echo.open == 0)


def test_a_stalled_wire_makes_the_sender_wait(connect, outage):
    wire = connect(timeout=QUIET)
    outage.stall()
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            wire.sendall(b"." * 65536)


# -- slow -------------------------------------------------------------------------------------------------


def test_slow_delays_each_way_keeps_the_order_and_many_at_once(connect, outage):
    wire = connect()
    ask(wire)
    outage.slow(0.2)
    began, sent = time.monotonic(), b""
    for number in range(40):
        wire.sendall(b"%02d" % number)
        sent += b"%02d" % number
        time.sleep(0.005)  # so that they travel as separate chunks
    assert receive(wire, 2) == b"00"
    assert 0.4 <= time.monotonic() - began < 1.0
    assert receive(wire, 78) == sent[2:]
    assert time.monotonic() - began < 2.0, "the delays must overlap"


def test_restore_does_not_wait_for_the_latency_that_was(connect, outage):
    wire = connect()
    ask(wire)
    outage.slow(60)
    wire.sendall(b"hurry")
    assert silent(wire)
    outage.restore()
    assert receive(wire, 5) == b"hurry"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["send", "stall", "slow", "restore"]), min_size=1, max_size=12))
def test_no_byte_is_lost_or_overtaken_in_any_order_of_actions(actions):
    with Echo() as echo, Outage(echo.url) as outage, socket.create_connection(("127.0.0.1", outage.port), 5) as wire:
        sent = b""
        for number, action in enumerate(actions):
            if action == "send":
                wire.sendall(b"%04d" % number)
                sent += b"%04d" % number
            elif action == "slow":
                outage.slow(0.01)
            else:
                getattr(outage, action)()
        outage.restore()
        wire.shutdown(socket.SHUT_WR)
        assert receive(wire, len(sent) + 1) == sent


# -- the server -------------------------------------------------------------------------------------------


def test_without_a_server_the_client_is_turned_away_and_later_served_again():
    with Echo() as echo:
        url, address = echo.url, echo.server_address
    with Outage(url) as outage:
        with pytest.raises(OSError) as refused:  # while it connects, or later
            with socket.create_connection(("127.0.0.1", outage.port), timeout=5) as wire:
                ask(wire)
            raise AssertionError("something answered")
        assert refused.value.errno == errno.ECONNRESET
        again = Echo.__new__(Echo)
        again.open = again.sent = again.resets = 0
        again.lock = threading.Lock()
        socketserver.ThreadingTCPServer.__init__(again, address, again.echo)
        with again, socket.create_connection(("127.0.0.1", outage.port), timeout=5) as wire:
            assert ask(wire) == b"hello"


@pytest.mark.server
def test_in_front_of_a_served_application(app):
    with serve(app(), lifetime=1, check=0.3) as server, Outage(server) as outage:
        assert outage.urls == {"/app": outage.url} and outage.url == outage.origin + "/app"
        assert outage.port != server.port
        with urllib.request.urlopen(outage.url, timeout=10) as page:
            assert page.status == 200 and b"<title>" in page.read()


# -- life -------------------------------------------------------------------------------------------------


def test_what_makes_no_sense_is_refused(outage):
    for wrong in (lambda: outage.cut("gently"), lambda: outage.refuse(0), lambda: outage.slow(-1)):
        with pytest.raises(InvalidOption):
            wrong()
    for address in ("127.0.0.1:5006", "https://127.0.0.1/app", "http://127.0.0.1:port/", "http:///app"):
        with pytest.raises(InvalidOption, match="address"):
            Outage(address)
    assert (outage.state, outage.history) == ("up", ())


def test_a_closed_outage_says_so_and_leaves_nothing(echo):
    threads = threading.active_count()
    with Outage(echo.url) as outage, socket.create_connection(("127.0.0.1", outage.port), timeout=5) as wire:
        assert ask(wire) == b"hello"
        outage.close()
        assert wire.recv(1) == b""
    outage.close()  # a third time is no harm
    for action in (outage.cut, outage.refuse, outage.stall, lambda: outage.slow(1), outage.restore):
        with pytest.raises(OutageClosed, match="closed"):
            action()
    assert outage.state == "closed"
    until(lambda: threading.active_count() <= threads)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", outage.port))
    assert not [
        c for c in psutil.Process().net_connections("tcp") if c.laddr.port == outage.port and c.status == "LISTEN"
    ]


def test_an_outage_that_nobody_holds_ends_itself(echo):
    outage = Outage(echo.url)
    thread = outage._thread
    del outage
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.server
@pytest.mark.parametrize("state", ["restore", "refuse", "stall"])
def test_the_interpreter_ends_at_once_and_in_silence_with_an_outage_open(echo, state):
    script = f"""
import socket, sys
from sessionlab import Outage
outage = Outage({echo.url!r})
wire = socket.create_connection(("127.0.0.1", outage.port))
wire.sendall(b"hello")
outage.{state}()
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 8


def test_any_thread_may_act(connect, outage):
    def act(seed):
        chance = random.Random(seed)
        for _ in range(25):
            chance.choice((outage.cut, outage.refuse, outage.stall, outage.restore, lambda: outage.slow(0.01)))()

    threads = [threading.Thread(target=act, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outage.history) == 200
    times = [action.time for action in outage.history]
    assert times == sorted(times)
    outage.restore()
    assert ask(connect()) == b"hello"


def test_buttons_act_and_say_what_the_state_is(connect, outage):
    box = outage.buttons()
    *buttons, label = box.children
    assert [button.description for button in buttons] == ["Cut", "Refuse 10 s", "Stall", "Restore"]
    cut, refuse, stall, restore = buttons
    wire = connect()
    cut.click()
    assert wire.recv(1) == b""
    for button, state in ((refuse, "refusing"), (stall, "stalled"), (restore, "up")):
        button.click()
        assert outage.state == state and label.value == f"The wire is {state}."
    outage.refuse(0.05)  # not by a button, and ended by nobody
    until(lambda: [a.action for a in outage.history][-1] == "restore" and label.value == "The wire is up.")
    outage.close()
    stall.click()
    assert label.value == "The wire is closed."
