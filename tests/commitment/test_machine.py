"""The life of a request, once more by hand, over the whole product."""

import datetime as dt
import itertools

import pytest

from gateway.commitment.machine import Act, ActNotAllowed, State, decide
from gateway.commitment.model import REASONS, Verdict, look_again_in

WITNESS = {
    ("waiting", "look"): "waiting",
    ("waiting", "decide"): "ready",
    ("waiting", "ask-again"): "waiting",
    ("ready", "fail"): "ready",
    ("ready", "deliver"): "delivered",
    ("ready", "give-up"): "given-up",
    ("ready", "ask-again"): "waiting",
    ("delivered", "ask-again"): "waiting",
    ("given-up", "ask-again"): "waiting",
}


@pytest.mark.parametrize(("state", "act"), list(itertools.product(State, Act)))
def test_a_request_moves_as_the_table_says(state: State, act: Act) -> None:
    expected = WITNESS.get((state.value, act.value))
    if expected is None:
        with pytest.raises(ActNotAllowed):
            decide(state, act)
    else:
        assert decide(state, act).value == expected


def test_failure_reasons_are_those_of_the_standard() -> None:
    # PS3.3 C.14.1.1
    assert {verdict.value: int(reason) for verdict, reason in REASONS.items()} == {
        "not-here": 0x0112,
        "other-class": 0x0119,
        "failed": 0x0110,
        "duplicate": 0x0131,
    }
    assert set(Verdict) - set(REASONS) == {Verdict.COMMITTED, Verdict.WAITING}


@pytest.mark.parametrize(
    ("age_s", "wait_s"),
    [
        pytest.param(0, 0.25, id="at-once"),
        pytest.param(60, 3, id="a-minute-old"),
        pytest.param(6000, 300, id="the-cap"),
        pytest.param(3 * 86400, 300, id="three-days-old"),
    ],
)
def test_the_older_a_request_the_rarer_the_looks(age_s: float, wait_s: float) -> None:
    assert look_again_in(dt.timedelta(seconds=age_s)).total_seconds() == wait_s
