"""What is held against an object that did not come, written down a second time by hand."""

import pytest
from hypothesis import given, strategies as st

from gateway.exchange.return_verdict import Outcome, Verdict, outcome_of, verdict

OF_COUNTY = """
200 comes      206 comes
204 moment     301 moment     302 moment     304 moment
400 refused    409 refused    413 refused    415 refused    422 refused    451 refused
401 moment     403 moment     407 moment     408 moment     425 moment     429 moment
404 gone       406 gone       410 gone
416 otherwise
500 failed     501 failed     505 failed     507 failed
502 moment     503 moment     504 moment
"""
OF_SOMEBODY_BETWEEN = """
200 comes      302 moment     403 moment     503 moment     416 otherwise
404 failed     406 failed     410 failed     400 failed     422 failed     500 failed
"""
# What happened, the first time, the third time while nothing else came, and while others came.
STEPS = """
comes      take        take        take
moment     line-waits  line-waits  line-waits
gone       set-aside   set-aside   set-aside
refused    later       set-aside   set-aside
failed     later       later       set-aside
otherwise  later       set-aside   set-aside
broke-off  soon        soon        set-aside
"""


def pairs(table: str) -> list[tuple[int, str]]:
    words = table.split()
    return [(int(status), told) for status, told in zip(words[::2], words[1::2], strict=True)]


@pytest.mark.parametrize(("status", "told"), pairs(OF_COUNTY))
def test_a_status_of_the_county_says_this_of_the_object(status: int, told: str) -> None:
    assert outcome_of(status) == told


@pytest.mark.parametrize(("status", "told"), pairs(OF_SOMEBODY_BETWEEN))
def test_a_page_of_somebody_between_is_never_the_object_s_own(status: int, told: str) -> None:
    assert outcome_of(status, of_county=False) == told


@pytest.mark.parametrize("row", STEPS.strip().splitlines())
def test_the_next_step_is_the_one_written_down(row: str) -> None:
    outcome, first, alone, others = row.split()
    assert verdict(Outcome(outcome), 1, others_came=False) == first
    assert verdict(Outcome(outcome), 2, others_came=True) == first
    assert verdict(Outcome(outcome), 3, others_came=False) == alone
    assert verdict(Outcome(outcome), 3, others_came=True) == others


def test_every_outcome_stands_in_the_table() -> None:
    assert {row.split()[0] for row in STEPS.strip().splitlines()} == {
        each.value for each in Outcome
    }


@given(st.integers(1, 10**9), st.booleans())
def test_the_line_is_never_held_against_an_object(failures: int, others_came: bool) -> None:
    found = verdict(Outcome.MOMENT, failures, others_came=others_came)
    assert found is Verdict.LINE_WAITS


@given(st.integers(1, 10**9), st.sampled_from([Outcome.FAILED, Outcome.BROKE_OFF]))
def test_while_nothing_else_comes_the_county_or_the_line_may_be_to_blame(
    failures: int, outcome: Outcome
) -> None:
    assert verdict(outcome, failures, others_came=False) is not Verdict.SET_ASIDE
