"""Waiting after failures."""

import pytest
from hypothesis import given, strategies as st

from gateway.township.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "bound"),
    [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (7, 30), (10**9, 30)],
)
def test_the_bound_doubles_up_to_its_cap_and_stays_there(failures: int, bound: float) -> None:
    assert Backoff().delay_s(failures, 0.5) == bound / 2


@given(st.integers(0, 10**12), st.floats(0, 1, exclude_max=True))
def test_there_is_always_a_next_attempt_within_the_cap(failures: int, chance: float) -> None:
    assert 0 <= Backoff(first_s=0.5, cap_s=20).delay_s(failures, chance) < 20


@pytest.mark.parametrize(("failures", "bound"), [(1, 0.5), (3, 0.5), (4, 1), (5, 2), (9, 30)])
def test_the_first_few_bounds_may_stay_short_because_most_lines_are_soon_back(
    failures: int, bound: float
) -> None:
    assert Backoff(first_s=0.5, at_first=3).delay_s(failures, 0.5) == bound / 2
