"""The calculator of chapter 03."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionlab.lifetimes import ATTEMPTS, next_attempt, plan, retained

pytestmark = pytest.mark.usefixtures("preloaded")


@pytest.mark.parametrize(("outage", "at"), [(1, 2), (2, 2), (7, 14), (14.5, 30), (30, 30), (40, 100)])
def test_a_user_is_back_at_the_next_attempt_or_by_hand(outage, at):
    assert next_attempt(outage) == at


@given(outage=st.floats(0.1, 600), arrivals=st.floats(0, 50), megabytes=st.floats(0, 500))
def test_a_plan_outlives_the_outage_and_states_its_price(outage, arrivals, megabytes):
    chosen = plan(outage, arrivals, megabytes)
    assert chosen.lifetime > next_attempt(outage) >= min(outage, ATTEMPTS[-1])
    assert chosen.waiting == pytest.approx(retained(arrivals, chosen.lifetime, chosen.check))
    assert chosen.megabytes == pytest.approx(arrivals * (chosen.lifetime + chosen.check) * megabytes)
    assert chosen.token_expiration >= chosen.lifetime


def test_flags_are_those_of_panel_serve():
    assert plan(outage=10, arrivals=0.1, megabytes=20).flags == (
        "--unused-session-lifetime 15000 --check-unused-sessions 4000 --session-token-expiration 86400"
    )


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_numbers_that_cannot_be_are_refused(numbers):
    with pytest.raises(ValueError, match="outage"):
        plan(*numbers)
