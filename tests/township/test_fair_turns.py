"""Turns between studies, and when each will be over."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from gateway.township.eta import Load, arrivals_s
from gateway.township.fair_turns import Ask, FairTurns


def test_studies_of_equal_parcels_take_turns_the_oldest_first() -> None:
    turns = FairTurns()
    asks = [Ask(study, 100) for study in "abc"]
    assert "".join(turns.next_of(asks, 100) for _ in range(7)) == "abcabca"


def test_a_study_of_large_images_gets_bytes_and_not_turns() -> None:
    turns = FairTurns()
    asks = [Ask("large", 1000), Ask("small", 100)]
    given_bytes: Counter[str] = Counter()
    for _ in range(220):
        study = turns.next_of(asks, 100)
        given_bytes[study] += 1000 if study == "large" else 100
    assert abs(given_bytes["large"] - given_bytes["small"]) <= 1000


def test_small_parcels_use_a_turn_up_before_it_passes_on() -> None:
    turns = FairTurns()
    asks = [Ask("a", 30), Ask("b", 30)]
    assert "".join(turns.next_of(asks, 100) for _ in range(8)) == "aaabbbaa"


def test_an_image_of_gigabytes_does_not_take_rounds_by_the_thousand() -> None:
    turns = FairTurns()
    asks = [Ask("a", 8 << 30), Ask("b", 8 << 30)]
    assert {turns.next_of(asks, 1), turns.next_of(asks, 1)} == {"a", "b"}


def test_a_study_that_comes_later_waits_for_one_round_at_most() -> None:
    turns = FairTurns()
    old = [Ask(study, 100) for study in "abc"]
    for _ in range(4):
        turns.next_of(old, 100)
    more = [*old, Ask("d", 100)]
    assert "d" in [turns.next_of(more, 100) for _ in range(4)]


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
    st.integers(1, 5_000),
    st.integers(1, 300),
)
def test_no_study_falls_behind_another_by_more_than_a_turn(
    sizes: list[int], quantum: int, steps: int
) -> None:
    turns = FairTurns()
    asks = [Ask(str(number), size) for number, size in enumerate(sizes)]
    sent = dict.fromkeys((ask.study for ask in asks), 0)
    for _ in range(steps):
        study = turns.next_of(asks, quantum)
        sent[study] += sizes[int(study)]
    slack = 2 * max(sizes) + 2 * quantum
    assert max(sent.values()) - min(sent.values()) <= slack


def test_a_lane_is_wholly_over_before_the_next_and_its_studies_share_the_line() -> None:
    loads = [
        Load("emergency", (0,), 1000),
        Load("a", (2,), 3000),
        Load("b", (2,), 1000),
    ]
    assert arrivals_s(loads, 100.0) == {"emergency": 10.0, "b": 30.0, "a": 50.0}


@pytest.mark.parametrize("rate", [None, 0.0, -1.0])
def test_without_a_line_nobody_says_when(rate: float | None) -> None:
    assert arrivals_s([Load("a", (0,), 10)], rate) == {"a": None}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9)), min_size=1, max_size=40),
    st.floats(1, 1e9),
)
def test_the_last_study_is_over_when_all_bytes_are(
    drawn: list[tuple[int, int]], rate: float
) -> None:
    loads = [Load(str(place), (lane,), size) for place, (lane, size) in enumerate(drawn)]
    over = arrivals_s(loads, rate)
    assert set(over) == {load.study for load in loads}
    times = [time for time in over.values() if time is not None]
    assert max(times) == pytest.approx(sum(size for _, size in drawn) / rate)
    for load in loads:
        time = over[load.study]
        assert time is not None
        assert time >= load.left_bytes / rate * (1 - 1e-9)
