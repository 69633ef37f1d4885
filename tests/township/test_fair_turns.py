"""Turns between studies, and when each will be over."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from gateway.township.eta import Load, arrivals_s
from gateway.township.fair_turns import FairTurns


class Turns:
    """Turns of studies whose parcels are each of one size."""

    def __init__(self, quantum: int, **sizes: int) -> None:
        self.sizes = sizes
        self.sent: Counter[str] = Counter()
        self._turns = FairTurns()
        self._quantum = quantum

    def take(self, count: int) -> list[str]:
        taken = []
        for _ in range(count):
            study = self._turns.next_of(list(self.sizes), self._quantum)
            self._turns.charge(study, self.sizes[study])
            self.sent[study] += self.sizes[study]
            taken.append(study)
        return taken


def test_studies_of_equal_parcels_take_turns_the_oldest_first() -> None:
    assert "".join(Turns(100, a=100, b=100, c=100).take(7)) == "abcabca"


def test_a_study_of_large_images_gets_bytes_and_not_turns() -> None:
    turns = Turns(100, large=1000, small=100)
    turns.take(220)
    assert abs(turns.sent["large"] - turns.sent["small"]) <= 1000


def test_small_parcels_use_a_turn_up_before_it_passes_on() -> None:
    assert "".join(Turns(90, a=30, b=30).take(8)) == "aaabbbaa"


def test_an_image_of_gigabytes_does_not_take_rounds_by_the_thousand() -> None:
    turns = Turns(1, a=8 << 30, b=8 << 30)
    assert turns.take(4) == ["a", "b", "a", "b"]


def test_a_study_that_comes_later_waits_for_one_round_at_most() -> None:
    turns = Turns(100, a=100, b=100, c=100)
    turns.take(4)
    turns.sizes["d"] = 100
    assert "d" in turns.take(4)


def test_a_study_that_is_gone_leaves_its_debt_behind() -> None:
    turns = Turns(100, a=5000, b=100)
    assert turns.take(3) == ["a", "b", "b"]
    del turns.sizes["a"]
    turns.take(1)
    turns.sizes["a"] = 100
    assert "a" in turns.take(2)


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
    st.integers(1, 5_000),
    st.integers(1, 300),
)
def test_no_study_falls_behind_another_by_more_than_a_turn(
    sizes: list[int], quantum: int, steps: int
) -> None:
    turns = Turns(quantum, **{f"s{number}": size for number, size in enumerate(sizes)})
    turns.take(steps)
    sent = [turns.sent[study] for study in turns.sizes]
    assert max(sent) - min(sent) <= max(sizes) + 2 * quantum


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
