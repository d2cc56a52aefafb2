"""The decision of a hunt, without any server: what counts as a leak, a bound, noise, or too little to tell."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionlab.leaks.decision import (
    BYTES_FLOOR,
    Holder,
    bytes_floor,
    bytes_trend,
    decide,
    judge,
    slope_of,
    trend_of,
)
from sessionlab.leaks.remainder import unexplained
from sessionlab.leaks.result import Batch

SIZES = [24, 36]
FLAT = [[150.0, -80.0, 210.0, 40.0], [120.0, 90.0, 60.0, 130.0]]


@pytest.mark.parametrize(
    ("gains", "sessions", "kind"),
    [
        ([24, 36], SIZES, "steady"),
        ([48, 72], SIZES, "steady"),
        ([0, 0], SIZES, "none"),
        ([-3, 1], SIZES, "none"),
        ([30, 0], SIZES, "stopped"),
        ([24, 4], SIZES, "fading"),
        ([0, 36], SIZES, "late"),
        ([2, 3], SIZES, "sparse"),
        ([1, 1], SIZES, "sparse"),
        ([0, 5], SIZES, "sparse"),
        ([2, 4, 7], [24, 36, 72], "steady"),
        ([24, 36, 0], [24, 36, 60], "stopped"),
        ([24], [24], "late"),
    ],
)
def test_the_trend_of_a_count(gains, sessions, kind):
    assert trend_of(gains, sessions).kind == kind


@given(per_session=st.integers(1, 50), sessions=st.lists(st.integers(8, 80), min_size=2, max_size=5))
def test_the_same_gain_of_every_session_is_always_steady(per_session, sessions):
    trend = trend_of([per_session * n for n in sessions], sessions)
    assert (trend.kind, trend.rate) == ("steady", per_session)


@given(sessions=st.lists(st.integers(8, 80), min_size=2, max_size=5), before=st.integers(1, 5000))
def test_what_gained_nothing_in_the_newest_window_is_never_steady(sessions, before):
    gains = [before] * (len(sessions) - 1) + [0]
    assert trend_of(gains, sessions).kind in ("stopped", "none")


@given(bound=st.integers(1, 55), warm_up=st.integers(0, 20))
def test_a_cache_that_fills_within_the_two_windows_is_never_steady(bound, warm_up):
    lengths = [min(bound, warm_up + n) for n in (0, 24, 60)]
    gains = [after - before for before, after in itertools.pairwise(lengths)]
    trend = trend_of(gains, SIZES)
    assert trend.kind != "steady" or gains[1] >= 0.6 * gains[0] * 36 / 24


@given(seed=st.integers(0, 10_000))
def test_one_visit_in_ten_is_not_called_none_once_it_was_seen_often_enough(seed):
    chance = random.Random(seed)
    sizes = [24, 36, 72, 108]
    gains = [sum(chance.random() < 0.1 for _ in range(n)) for n in sizes]
    if all(gains) and gains[-1] >= 8:
        assert trend_of(gains, sizes).kind in ("steady", "sparse", "late", "fading")


@given(
    rates=st.lists(st.floats(-300, 300), min_size=4, max_size=8),
    place=st.integers(0, 7),
    step=st.floats(1e4, 1e7),
)
def test_one_step_moves_no_slope(rates, place, step):
    with_step = [*rates]
    with_step[place % len(rates)] = step
    assert slope_of(with_step).middle <= 300


@given(leak=st.floats(4096, 1e6), seed=st.integers(0, 1000))
def test_native_memory_that_grows_is_steady(leak, seed):
    noise = random.Random(seed)
    windows = [[leak + noise.uniform(-150, 150) for _ in range(4)] for _ in range(2)]
    assert bytes_trend(windows).kind == "steady"


@given(seed=st.integers(0, 1000), spread=st.floats(0, 50_000))
def test_noise_around_nothing_raises_the_floor_and_is_no_growth_of_two_windows(seed, spread):
    noise = random.Random(seed)
    half = [noise.uniform(0, spread) for _ in range(4)]
    windows = [[*half, *(-x for x in half)] for _ in range(2)]
    assert bytes_trend(windows).kind == "none"
    assert bytes_floor(windows) >= BYTES_FLOOR


def leak(**changes) -> Holder:
    row = {"holder": "store.SEEN", "kind": "list", "items": [24, 36], "edges": [24, 36], "below": [48, 72]}
    return Holder(**{**row, "length": 72, "bytes": 6000, "owner": "app", "tops": 60, **changes})


@pytest.mark.parametrize(
    ("holder", "kind"),
    [
        (leak(), "leak"),
        (leak(limit={"size": 128, "name": "maxsize=128"}), "bounded"),
        (leak(limit={"size": 50, "name": "maxsize=50"}), "leak"),
        (leak(reads={"size": 100, "name": "100 items (app.py:3)"}), "bounded"),
        (leak(weak=True), "leak"),
        (leak(weak=True, limit={"size": 500, "name": "dropped at 500"}), "bounded"),
        (leak(weak=True, items=[0, 0]), "nothing"),
        (leak(owner="panel", repeats=True, edges=[0, 0], below=[0, 0], tops=0), "residue"),
        (leak(owner="python", edges=[0, 0], below=[0, 0], bytes=9000), "residue"),
        (leak(owner="python", items=[1, 2], edges=[1, 2], below=[2, 3], bytes=1800), "nothing"),
        (leak(owner="python", edges=[0, 0], below=[0, 0], bytes=90_000), "leak"),
        (leak(owner="python", edges=[0, 0], below=[0, 0], filled=["app.py:3"]), "leak"),
        (leak(owner="python", bytes=9000), "leak"),
        (leak(owner="bokeh", below=[24, 36], bytes=9000, through=["python"]), "residue"),
        (leak(owner="bokeh", below=[24, 36], bytes=9000, through=["app"]), "leak"),
        (leak(owner="lumen", below=[24, 36], bytes=9000), "leak"),
        (leak(items=[0, 0], edges=[24, 36], below=[24, 36], length=100), "bounded"),
        (leak(items=[0, 0], edges=[0, 1], below=[0, 90], length=1, tops=1), "nothing"),
        (leak(items=[24, 4]), "open"),
        (leak(items=[24, 36], ends_in=30.0), "ends"),
        (leak(holder="a C extension", kind="C", items=[0, 0], edges=[0, 0], below=[9, 14]), "nothing"),
        (leak(kind="Task", length=None, items=[0, 0], edges=[1, 1], below=[1, 1], tops=2), "nothing"),  # its sleep
        (leak(kind="Task", length=None, items=[0, 0]), "leak"),
        (leak(length=None, items=[0, 0], edges=[1, 1], below=[1, 1], tops=2), "open"),
    ],
)
def test_what_is_thought_of_a_holder(holder, kind):
    assert judge(holder, SIZES).kind == kind


def test_clean_only_without_holders_and_without_growth_of_the_memory():
    assert decide([], SIZES, FLAT).verdict == "clean"
    assert decide([leak()], SIZES, FLAT).verdict == "leak"
    assert decide([leak(limit={"size": 128, "name": "maxsize=128"})], SIZES, FLAT).verdict == "bounded"
    assert decide([leak(items=[24, 4])], SIZES, FLAT).verdict == "undecided"


def test_memory_without_objects_needs_three_windows_to_be_called_a_leak():
    native = [[8200.0, 8190.0, 8210.0, 8180.0]] * 3
    assert decide([], SIZES, native[:2]).verdict == "undecided"
    assert decide([], [*SIZES, 54], native).verdict == "leak"


def test_memory_that_a_bounded_cache_explains_is_no_leak():
    cache = leak(limit={"size": 128, "name": "maxsize=128"}, bytes=60 * 8000)
    assert decide([cache], SIZES, [[8200.0] * 4] * 2).verdict == "bounded"


def test_a_step_beside_a_ring_that_fills_is_no_growth_of_its_own():
    ring = leak(bytes=1656 * 96, limit={"size": 100, "name": "maxlen=100"}, items=[20, 30, 46], below=[20, 30, 46])
    sizes, filled = [20, 30, 46], [[1654.0], [1660.0], [3467.0]]  # one window with 83 kB more, once
    assert decide([ring], sizes, filled).verdict == "undecided"
    assert decide([ring], sizes, filled, final=True).verdict == "bounded"
    assert decide([ring], sizes, [[4654.0], [4660.0], [4656.0]]).verdict == "leak"  # twice what the ring explains


def test_what_c_code_holds_beside_a_leak_is_a_part_of_it():
    native = Holder("a C extension", kind="C", items=[0, 0], edges=[0, 0], below=[240, 360])
    assert [f.holder.holder for f in decide([leak(), native], SIZES, FLAT).of("leak")] == ["store.SEEN"]
    assert decide([native], SIZES, FLAT).verdict == "leak"


def batches(*rates):
    """Two windows of two batches, ten sessions in each, with these bytes a session."""
    return [Batch(1 + place // 2, 10, rate, 0.0) for place, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("size", "named", "rates", "said"),
    [
        (8500.0, 8400.0, (8500, 8500, 8500, 8500), ""),
        (8500.0, 7000.0, (8500, 8500, 8500, 8500), ""),  # more than four fifths
        (3000.0, 2100.0, (3000, 3000, 3000, 3000), ""),  # less than can be seen
        (9000.0, 1000.0, (9000, 9000, 9000, 9000), "8.0 KB of the 9.0 KB a session.*, and as many come with every"),
        (9000.0, 1000.0, (9000, 9000, 1500, 1500), "most of them came within 20 sessions, and fewer have come since"),
        (9000.0, 1000.0, (None, None, None, None), "as many come with every session"),
    ],
)
def test_a_report_adds_up_or_says_what_is_missing(size, named, rates, said):
    found = unexplained(size, named, 1024.0, batches(*rates))
    assert re.search(said, found) if said else found == ""
