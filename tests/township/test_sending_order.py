"""First, middle and last of each series first."""

import pytest
from hypothesis import given, strategies as st

from gateway.township.sending_order import (
    Order,
    Slice,
    cut_at_opening,
    in_order,
    place_along_normal,
    sending_order,
)


def series(
    count: int, *, name: str = "a", first: int = 1, gone: frozenset[int] = frozenset()
) -> list[Slice]:
    return [
        Slice(first + place, name, instance_number=place + 1, gone=place in gone)
        for place in range(count)
    ]


def test_of_each_series_the_first_middle_and_last_go_by_turns_then_the_rest() -> None:
    order = sending_order([*series(5), *series(4, name="b", first=11)], whole=True)
    assert order.opening == (1, 11, 3, 12, 5, 14)
    assert order.rest == (2, 4, 13)


@pytest.mark.parametrize(
    ("count", "opening"),
    [(0, ()), (1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (60, (1, 30, 60))],
)
def test_short_series_are_all_opening(count: int, opening: tuple[int, ...]) -> None:
    assert sending_order(series(count), whole=True).opening == opening


def test_what_is_gone_is_not_sent_again_and_keeps_its_place_in_the_series() -> None:
    order = sending_order(series(5, gone=frozenset({0, 4})), whole=True)
    assert order == Order(opening=(3,), rest=(2, 4))


def test_a_growing_series_opens_with_three_images_and_its_true_end_follows_when_whole() -> None:
    assert sending_order(series(7, gone=frozenset({0})), whole=False).opening == (4, 7)
    half = series(9, gone=frozenset({0, 3, 6}))
    assert sending_order(half, whole=False).opening == ()
    assert sending_order(half, whole=True).opening == (5, 9)


def test_images_are_ordered_by_number_else_by_place_else_as_they_came() -> None:
    numbered = [Slice(1, "a", 3), Slice(2, "a", 1), Slice(3, "a", 2)]
    assert [one.id for one in in_order(numbered)] == [2, 3, 1]
    placed = [Slice(1, "a", 1, 20.0), Slice(2, "a", 1, -5.0), Slice(3, "a", None, 0.5)]
    assert [one.id for one in in_order(placed)] == [2, 3, 1]
    bare = [Slice(1, "a"), Slice(2, "a", 7), Slice(3, "a", 2, 1.0), Slice(4, "a")]
    assert [one.id for one in in_order(bare)] == [3, 2, 1, 4]


slices = st.lists(
    st.builds(
        Slice,
        id=st.integers(1, 10_000),
        series=st.sampled_from("abc"),
        instance_number=st.none() | st.integers(-5, 40),
        position_mm=st.none() | st.floats(-1000, 1000),
        gone=st.booleans(),
    ),
    unique_by=lambda one: one.id,
    max_size=60,
)


@given(slices, st.booleans(), st.integers(1, 500))
def test_every_image_that_waits_goes_exactly_once(
    known: list[Slice], whole: bool, most: int
) -> None:
    waiting = {one.id for one in known if not one.gone}
    order = sending_order(known, whole=whole)
    assert sorted([*order.opening, *order.rest]) == sorted(waiting)
    assert len(order.opening) <= 9
    parcel = cut_at_opening(order, dict.fromkeys(waiting, 100), most)
    assert bool(parcel) == bool(waiting)
    assert len(parcel) == 1 or len(parcel) * 100 <= most
    assert set(parcel) <= set(order.opening) or not order.opening


def test_the_opening_travels_in_a_parcel_of_its_own() -> None:
    order = Order(opening=(1, 5, 9), rest=(2, 3))
    sizes = dict.fromkeys(range(1, 10), 10)
    assert cut_at_opening(order, sizes, 1000) == [1, 5, 9]
    assert cut_at_opening(order, sizes, 25) == [1, 5]
    assert cut_at_opening(Order((), (2, 3)), sizes, 5) == [2]
    assert cut_at_opening(Order((), ()), {}, 5) == []


def test_a_place_is_measured_along_the_normal_of_the_image() -> None:
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert place_along_normal((10.0, 20.0, -30.5), axial) == -30.5
    sagittal = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    assert place_along_normal((12.0, 0.0, 0.0), sagittal) == -12.0
    assert place_along_normal((1.0, 2.0), axial) is None
    assert place_along_normal((1.0, 2.0, 3.0), (0.0,) * 6) is None
